#pragma once

#include <functional>
#include <istream>
#include <ostream>
#include <stop_token>
#include <string>

namespace sluice::cli {

// What the program has from the world outside: filled by main, or by a test. Outlives the run.
struct Context {
  std::istream* in = nullptr;                        // Not owned.
  int in_fd = -1;                                    // of `in`, for who reads until a stop
  std::ostream* out = nullptr;                       // Not owned.
  std::ostream* err = nullptr;                       // Not owned.
  std::string default_server;                        // where --server is not given
  std::string user;                                  // who runs it: "alice@desk"
  bool color = false;                                // out takes colours
  bool terminal = false;                             // out is a screen that can be redrawn
  std::function<std::stop_token()> until_interrupt;  // from here on ^C stops instead of killing
  int done = 0;                                      // what it ends with if the verb succeeds
  int failed = 1;                                    // and if it does not; verbs may say otherwise
};

}  // namespace sluice::cli
