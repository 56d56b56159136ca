#include "server/stop_at_once.h"

#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace sluice::server {
namespace {

int OpenSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

StopAtOnce::StopAtOnce(DaemonLog* log)
    : log_(log),
      signals_(OpenSignals()),
      started_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Run(); }) {}

StopAtOnce::~StopAtOnce() {
  eventfd_write(started_, 1);
  thread_.join();
  close(started_);
  close(signals_);
}

void StopAtOnce::Run() {
  pollfd entries[] = {{started_, POLLIN, 0}, {signals_, POLLIN, 0}};
  while (poll(entries, 2, -1) < 0) {
  }
  // Once the server has started, a signal stays pending.
  if (entries[0].revents != 0) return;
  signalfd_siginfo info;
  if (read(signals_, &info, sizeof info) != sizeof info) return;
  spdlog::info("stopping before it was ready: {}", strsignal(static_cast<int>(info.ssi_signo)));
  log_->Stop();
  std::_Exit(EXIT_SUCCESS);
}

}  // namespace sluice::server
