#include "agent/hook_guard.h"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <array>
#include <string>
#include <utility>

namespace sluice::agent {
namespace {

// If the kernel refuses to take the rules back: how long to wait before trying again.
constexpr int kRetryMs = 100;

}  // namespace

HookGuard::HookGuard(std::unique_ptr<TableMonitor> monitor, uint32_t our_port_id, ModeSwitch* mode)
    : monitor_(std::move(monitor)),
      our_port_id_(our_port_id),
      mode_(mode),
      thread_([this] { Run(); }) {}

HookGuard::~HookGuard() {
  stop_.store(true);
  wakeup_.Signal();
  thread_.join();
}

void HookGuard::Run() {
  bool unrestored = false;
  while (!stop_.load()) {
    std::array<pollfd, 2> fds{pollfd{monitor_->fd(), POLLIN, 0}, pollfd{wakeup_.fd(), POLLIN, 0}};
    poll(fds.data(), fds.size(), unrestored ? kRetryMs : -1);
    if (!monitor_->ChangedByOthers(our_port_id_) && !unrestored) continue;
    const absl::StatusOr<bool> restored = mode_->Restore();
    if (!restored.ok()) {
      if (!unrestored) {
        spdlog::error("rules were changed by another program and cannot be restored: {}",
                      std::string(restored.status().message()));
      }
      unrestored = true;
      continue;
    }
    unrestored = false;
    if (!*restored) continue;
    ++lost_;
    spdlog::warn("table inet sluice was changed by another program; restored");
  }
}

}  // namespace sluice::agent
