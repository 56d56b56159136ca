#pragma once

#include <functional>
#include <istream>
#include <ostream>
#include <stop_token>
#include <string>

namespace sluice::cli {

// What the program gets from outside: filled by main, or by a test. Outlives the run.
struct Context {
  std::istream* in = nullptr;                        // Not owned.
  int in_fd = -1;                                    // of `in`, for LineReader
  std::ostream* out = nullptr;                       // Not owned.
  std::ostream* err = nullptr;                       // Not owned.
  std::string default_server;                        // used without --server
  std::string user;                                  // who runs it: "alice@desk"
  bool color = false;                                // out takes colours
  bool terminal = false;                             // out is a screen that can be redrawn
  std::function<std::stop_token()> until_interrupt;  // after the call, ^C stops, not kills
  int done = 0;                                      // exit code if the verb succeeds
  int failed = 1;                                    // exit code if it fails; verbs may set both
};

}  // namespace sluice::cli
