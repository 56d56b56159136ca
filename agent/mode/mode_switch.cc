#include "agent/mode/mode_switch.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/streams/clock.h"

namespace sluice::agent {
namespace {

// If the kernel refuses to let the mode be reverted: how long to wait before trying again.
constexpr int64_t kRetryNs = 1'000'000'000;

TableMode TableModeOf(v1::Mode mode) {
  return mode == v1::MODE_SHADOW ? TableMode::kShadow : TableMode::kOn;
}

TableRevert RevertOf(const ModeConfirmation& confirmation) {
  if (!confirmation.reverts_at()) return TableRevert::kNone;
  switch (confirmation.revert_to()) {
    case v1::MODE_ON:
      return TableRevert::kToOn;
    case v1::MODE_SHADOW:
      return TableRevert::kToShadow;
    default:
      return TableRevert::kToOff;
  }
}

absl::Status CheckRequest(v1::Mode mode, std::optional<int64_t> confirm_within_ns) {
  if (confirm_within_ns &&
      (*confirm_within_ns <= 0 || *confirm_within_ns > ModeSwitch::kMostConfirmWithinNs)) {
    return absl::InvalidArgumentError("confirm_within: more than 0 is allowed, and at most a day");
  }
  if (confirm_within_ns && mode == v1::MODE_UNSPECIFIED) {
    return absl::InvalidArgumentError("confirm_within: there must be a mode to confirm");
  }
  if (mode != v1::MODE_UNSPECIFIED && ModeName(mode).empty()) {
    return absl::UnimplementedError(absl::StrCat("this agent does not know the mode ",
                                                 v1::Mode_Name(mode), "; off, on and shadow"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view ModeName(v1::Mode mode) {
  switch (mode) {
    case v1::MODE_OFF:
      return "off";
    case v1::MODE_ON:
      return "on";
    case v1::MODE_SHADOW:
      return "shadow";
    default:
      return "";
  }
}

ModeSwitch::ModeSwitch(Table* table, RememberedVerdicts* remembered, std::vector<QueueLoop*> queues)
    : table_(table),
      remembered_(remembered),
      queues_(std::move(queues)),
      clock_([this] { RunClock(); }) {
  if (table_ != nullptr) return;
  MutexLock lock(mutex_);
  mode_ = v1::MODE_ON;
  SetQueues(v1::MODE_ON);
}

ModeSwitch::~ModeSwitch() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  clock_.join();
}

ModeSwitch::State ModeSwitch::state() const {
  MutexLock lock(mutex_);
  return Read();
}

ModeSwitch::State ModeSwitch::Read() const {
  State state = {.mode = mode_, .reverts_in_ns = std::nullopt};
  if (const auto at = confirmation_.reverts_at()) {
    state.reverts_in_ns = std::max<int64_t>(*at - MonotonicNow(), 0);
  }
  return state;
}

absl::StatusOr<ModeSwitch::Change> ModeSwitch::Set(v1::Mode mode,
                                                   std::optional<int64_t> confirm_within_ns) {
  if (absl::Status status = CheckRequest(mode, confirm_within_ns); !status.ok()) return status;
  MutexLock lock(mutex_);
  const v1::Mode previous = mode_;
  if (mode == v1::MODE_UNSPECIFIED) return Change{previous, Read()};
  if (table_ == nullptr) {
    return absl::FailedPreconditionError(
        "hook.manage is false: the rules that queue packets are the operator's; change them, or "
        "let the agent manage its own");
  }
  const bool waited = confirmation_.reverts_at().has_value();
  ModeConfirmation confirmation = confirmation_;
  confirmation.Set(previous, mode, confirm_within_ns, MonotonicNow());
  if (absl::Status status = Apply(mode, confirmation); !status.ok()) return status;
  changed_.notify_all();
  if (confirmation_.reverts_at()) {
    spdlog::info("mode {}, to be confirmed within {} s, else {} again", std::string(ModeName(mode)),
                 static_cast<double>(*confirm_within_ns) / 1e9,
                 std::string(ModeName(confirmation_.revert_to())));
  } else if (waited || mode != previous) {
    spdlog::info("mode {}", std::string(ModeName(mode)));
  }
  return Change{previous, Read()};
}

absl::Status ModeSwitch::Apply(v1::Mode mode, const ModeConfirmation& confirmation) {
  absl::Status status;
  if (mode == v1::MODE_OFF) {
    if (mode_ != v1::MODE_OFF) status = TurnOff();
  } else if (mode != mode_ || RevertOf(confirmation) != RevertOf(confirmation_)) {
    status = TurnOn(mode, confirmation);
  }
  if (!status.ok()) return status;
  mode_ = mode;
  confirmation_ = confirmation;
  return status;
}

absl::Status ModeSwitch::TurnOn(v1::Mode mode, const ModeConfirmation& confirmation) {
  // The queues first: a packet that comes at once must be asked about, not waved through.
  if (mode != mode_) SetQueues(mode);
  absl::Status status = remembered_->Install({TableModeOf(mode), RevertOf(confirmation)});
  if (!status.ok() && mode != mode_) {
    // The kernel may have taken the rules and only failed to say so.
    if (mode_ == v1::MODE_OFF) remembered_->Remove().IgnoreError();
    SetQueues(mode_);
  }
  return status;
}

absl::Status ModeSwitch::TurnOff() {
  // The kernel drops queued packets with the chains, so they are let go in between.
  if (absl::Status status = remembered_->StopAsking(); !status.ok()) return status;
  SetQueues(v1::MODE_OFF);
  absl::Status status = remembered_->Remove();
  if (status.ok()) return status;
  // Goes back to where it was, rules and all: the mode must not say on while nothing is asked
  // about.
  SetQueues(mode_);
  const absl::Status back = remembered_->Install({TableModeOf(mode_), RevertOf(confirmation_)});
  if (!back.ok()) {
    spdlog::error("going back to mode {} failed, everything is forwarded: {}",
                  std::string(ModeName(mode_)), std::string(back.message()));
  }
  return status;
}

void ModeSwitch::SetQueues(v1::Mode mode) {
  for (QueueLoop* queue : queues_) queue->EnterMode(mode);
}

absl::Status ModeSwitch::RevertUnconfirmed() {
  MutexLock lock(mutex_);
  return confirmation_.reverts_at() ? Revert() : absl::OkStatus();
}

absl::Status ModeSwitch::Revert() {
  const v1::Mode unconfirmed = mode_;
  const v1::Mode mode = confirmation_.revert_to();
  absl::Status status = Apply(mode, ModeConfirmation());
  if (!status.ok()) {
    spdlog::error("mode {} was not confirmed, but going back to mode {} failed: {}",
                  std::string(ModeName(unconfirmed)), std::string(ModeName(mode)),
                  std::string(status.message()));
    confirmation_.Postpone(MonotonicNow() + kRetryNs);
    return status;
  }
  spdlog::warn("mode {} was not confirmed: mode {} again", std::string(ModeName(unconfirmed)),
               std::string(ModeName(mode)));
  return status;
}

void ModeSwitch::RunClock() {
  MutexLock lock(mutex_);
  while (!stop_) {
    const std::optional<int64_t> at = confirmation_.reverts_at();
    const auto other = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return stop_ || confirmation_.reverts_at() != at;
    };
    if (!at) {
      lock.Wait(changed_, other);
    } else if (!lock.WaitFor(changed_, std::chrono::nanoseconds(*at - MonotonicNow()), other)) {
      // A failure is logged there, and it is tried again in a second.
      Revert().IgnoreError();
    }
  }
}

absl::Status ModeSwitch::Adopt(TableState left) {
  const v1::Mode mode = left.mode == TableMode::kShadow ? v1::MODE_SHADOW : v1::MODE_ON;
  if (left.revert == TableRevert::kNone) {
    if (const auto set = Set(mode); !set.ok()) return set.status();
    spdlog::info("table inet sluice was there already: staying in mode {}",
                 std::string(ModeName(mode)));
    return absl::OkStatus();
  }
  const v1::Mode before = left.revert == TableRevert::kToOff  ? v1::MODE_OFF
                          : left.revert == TableRevert::kToOn ? v1::MODE_ON
                                                              : v1::MODE_SHADOW;
  spdlog::warn("table inet sluice was there already, in a mode that nobody has confirmed");
  {
    // The mode is as it was left until the one before is back: dying in between must not confirm
    // it.
    MutexLock lock(mutex_);
    mode_ = mode;
  }
  return Set(before).status();
}

absl::StatusOr<bool> ModeSwitch::Restore() {
  MutexLock lock(mutex_);
  if (table_ == nullptr || mode_ == v1::MODE_OFF) return false;
  const absl::StatusOr<bool> intact = table_->Intact();
  if (!intact.ok()) return intact.status();
  if (*intact) return false;
  absl::Status status = remembered_->Install({TableModeOf(mode_), RevertOf(confirmation_)});
  if (!status.ok()) return status;
  return true;
}

}  // namespace sluice::agent
