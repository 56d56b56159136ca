#include "clients/cli/interrupts.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace sluice::cli {
namespace {

// Where the signal handler writes to: handlers know nothing but globals.
std::atomic<int> signal_pipe = -1;

void OnSignal(int) {
  const int saved = errno;
  const char byte = 's';
  [[maybe_unused]] const ssize_t written = write(signal_pipe, &byte, 1);
  errno = saved;
}

}  // namespace

Interrupts::~Interrupts() {
  if (!thread_.joinable()) return;
  OnSignal(0);
  thread_.join();
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  signal_pipe = -1;
  close(pipe_[0]);
  close(pipe_[1]);
}

std::stop_token Interrupts::Catch() {
  if (thread_.joinable() || pipe2(pipe_, O_CLOEXEC) != 0) return source_.get_token();
  signal_pipe = pipe_[1];
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART | SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  thread_ = std::thread([this] { Wait(); });
  return source_.get_token();
}

void Interrupts::Wait() {
  // A pipe nobody reads any more has POLLERR, though nothing is written: `… -f | head -1` ends
  // at once, not with the next packet.
  pollfd polled[2] = {{pipe_[0], POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
  while (poll(polled, 2, -1) < 0 && errno == EINTR) {
  }
  source_.request_stop();
}

}  // namespace sluice::cli
