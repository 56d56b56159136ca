#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace sluice::cli {

// Turns ^C, SIGTERM and the end of whoever reads our output into a request to stop, for verbs
// that go on until then. Until Catch() is called signals kill, as in any program. Where the verb
// cannot stop because nobody reads what it prints, the program ends with exit code 1. One a
// process, owned by main.
class Interrupts final {
 public:
  Interrupts() = default;
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // From now on the first signal requests a stop; a second one kills.
  std::stop_token Catch();

 private:
  void Wait();

  int pipe_[2] = {-1, -1};
  std::atomic<bool> ending_ = false;  // What comes through the pipe is the destructor's.
  std::stop_source source_;
  std::thread thread_;
};

}  // namespace sluice::cli
