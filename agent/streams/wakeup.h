#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace sluice::agent {

// Wakes a thread that polls fd(). Signal from any thread.
class Wakeup {
 public:
  Wakeup() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~Wakeup() { close(fd_); }
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  int fd() const { return fd_; }
  void Signal() {
    const uint64_t one = 1;
    // Fails only if the counter is full, and then the thread is being woken already.
    [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
  }
  void Clear() {
    uint64_t count;
    [[maybe_unused]] const ssize_t read_bytes = read(fd_, &count, sizeof count);
  }

 private:
  const int fd_;
};

}  // namespace sluice::agent
