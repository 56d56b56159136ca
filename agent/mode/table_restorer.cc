#include "agent/mode/table_restorer.h"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/streams/clock.h"

namespace sluice::agent {
namespace {

// If the kernel refuses to take the rules back: how long to wait before trying again.
constexpr int kRetryMs = 100;

}  // namespace

TableRestorer::TableRestorer(std::unique_ptr<TableMonitor> monitor, uint32_t our_port_id,
                             ModeSwitch* mode)
    : monitor_(std::move(monitor)),
      our_port_id_(our_port_id),
      mode_(mode),
      thread_([this] { Run(); }) {}

TableRestorer::~TableRestorer() { Stop(); }

void TableRestorer::Stop() {
  stop_.store(true);
  wakeup_.Signal();
  if (thread_.joinable()) thread_.join();
}

void TableRestorer::Run() {
  bool changed = false;
  std::string by;
  int wait_ms = -1;
  while (!stop_.load()) {
    std::array<pollfd, 2> fds{pollfd{monitor_->fd(), POLLIN, 0}, pollfd{wakeup_.fd(), POLLIN, 0}};
    poll(fds.data(), fds.size(), wait_ms);
    if (std::optional<std::string> who = monitor_->ChangedByOthers(our_port_id_)) {
      changed = true;
      by = *std::move(who);
    }
    wait_ms = -1;
    if (!changed) continue;
    if (const int64_t wait = pace_.WaitNs(MonotonicNow()); wait > 0) {
      wait_ms = static_cast<int>(wait / 1'000'000) + 1;
      continue;
    }
    changed = !Restore(by);
    if (changed) wait_ms = kRetryMs;
  }
}

bool TableRestorer::Restore(const std::string& by) {
  const absl::StatusOr<bool> restored = mode_->Restore();
  if (!restored.ok()) {
    if (!refused_) {
      spdlog::error("rules were changed by another program and cannot be restored: {}",
                    std::string(restored.status().message()));
    }
    refused_ = true;
    return false;
  }
  refused_ = false;
  if (!*restored) return true;
  ++lost_;
  const RestorePace::Line line = pace_.Restored(MonotonicNow());
  const std::string who = by.empty() ? "" : absl::StrCat(" (it was ", by, ")");
  if (line.often && line.times > 0) {
    spdlog::error(
        "table inet sluice is changed by another program again and again{}; restored {} times "
        "since the last line, and at most 10 times a second: in between packets may pass "
        "undecided; end "
        "that program",
        who, line.times);
  } else if (line.times > 0) {
    spdlog::warn("table inet sluice was changed by another program; restored{}", who);
  }
  return true;
}

}  // namespace sluice::agent
