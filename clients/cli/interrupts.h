#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace sluice::cli {

// Turns ^C, SIGTERM and the end of our output's reader into a request to stop, for verbs that run
// until then. Before Catch() is called, signals kill, as in any program. If the verb cannot stop
// because nobody reads its output, the program ends with exit code 1. One per process, owned by
// main.
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
  std::atomic<bool> ending_ = false;  // The byte in the pipe is from the destructor.
  std::stop_source source_;
  std::thread thread_;
};

}  // namespace sluice::cli
