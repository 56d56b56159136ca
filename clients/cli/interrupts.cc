#include "clients/cli/interrupts.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace sluice::cli {
namespace {

// Where the signal handler writes to. Signal handlers can use only globals.
std::atomic<int> signal_pipe = -1;

// How long a verb may take to stop before we check whether its output is stuck.
constexpr int kGraceMs = 200;

void OnSignal(int) {
  const int saved = errno;
  const char byte = 's';
  [[maybe_unused]] const ssize_t written = write(signal_pipe, &byte, 1);
  errno = saved;
}

}  // namespace

Interrupts::~Interrupts() {
  if (!thread_.joinable()) return;
  ending_ = true;
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
  // A pipe without a reader has POLLERR even if nothing is written: `… -f | head -1` ends at once,
  // not with the next packet.
  pollfd polled[2] = {{pipe_[0], POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
  while (poll(polled, 2, -1) < 0 && errno == EINTR) {
  }
  char byte;
  if (polled[0].revents != 0) [[maybe_unused]]
    const ssize_t taken = read(pipe_[0], &byte, 1);
  source_.request_stop();
  // A write to a full pipe ends only when somebody reads, which may be never.
  while (!ending_ && poll(polled, 1, kGraceMs) == 0) {
    polled[1].events = POLLOUT;
    if (poll(&polled[1], 1, 0) != 0) continue;
    constexpr char kMessage[] = "sluicectl: stopped, but nobody reads the output: some is lost\n";
    [[maybe_unused]] const ssize_t said = write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
    _exit(1);
  }
}

}  // namespace sluice::cli
