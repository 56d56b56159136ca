#include "agent/mode_switch.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::agent {

ModeSwitch::ModeSwitch(Table* table, std::vector<QueueLoop*> queues)
    : table_(table), queues_(std::move(queues)) {
  if (table_ != nullptr) return;
  MutexLock lock(mutex_);
  mode_ = v1::MODE_ON;
  SetQueues(v1::MODE_ON);
}

v1::Mode ModeSwitch::mode() const {
  MutexLock lock(mutex_);
  return mode_;
}

absl::StatusOr<ModeSwitch::Change> ModeSwitch::Set(v1::Mode mode) {
  MutexLock lock(mutex_);
  const v1::Mode previous = mode_;
  if (mode == v1::MODE_UNSPECIFIED) return Change{previous, previous};
  if (mode != v1::MODE_ON && mode != v1::MODE_OFF) {
    return absl::UnimplementedError(
        absl::StrCat("this agent does not know the mode ", v1::Mode_Name(mode), "; on or off"));
  }
  if (table_ == nullptr) {
    return absl::FailedPreconditionError(
        "hook.manage is false: the rules that queue packets are the operator's; change them, or "
        "let the agent manage its own");
  }
  if (mode == previous) return Change{previous, previous};
  if (absl::Status status = mode == v1::MODE_ON ? TurnOn() : TurnOff(); !status.ok()) {
    return status;
  }
  mode_ = mode;
  spdlog::info("mode {}", mode == v1::MODE_ON ? "on" : "off");
  return Change{previous, mode};
}

absl::Status ModeSwitch::TurnOn() {
  // The queues first: a packet that comes at once must be asked about, not waved through.
  SetQueues(v1::MODE_ON);
  absl::Status status = table_->Install();
  if (!status.ok()) SetQueues(v1::MODE_OFF);
  return status;
}

absl::Status ModeSwitch::TurnOff() {
  // Packets that are queued would be dropped with the chains, so they are let go in between.
  if (absl::Status status = table_->StopAsking(); !status.ok()) return status;
  SetQueues(v1::MODE_OFF);
  absl::Status status = table_->Remove();
  if (!status.ok()) SetQueues(v1::MODE_ON);
  return status;
}

void ModeSwitch::SetQueues(v1::Mode mode) {
  for (QueueLoop* queue : queues_) queue->SetMode(mode);
}

absl::StatusOr<bool> ModeSwitch::Restore() {
  MutexLock lock(mutex_);
  if (table_ == nullptr || mode_ != v1::MODE_ON) return false;
  const absl::StatusOr<bool> intact = table_->Intact();
  if (!intact.ok()) return intact.status();
  if (*intact) return false;
  if (absl::Status status = table_->Install(); !status.ok()) return status;
  return true;
}

}  // namespace sluice::agent
