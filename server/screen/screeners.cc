#include "server/screen/screeners.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/streams/durations.h"
#include "server/verdicts/verdict.h"

namespace sluice::server {
namespace {

uint32_t LongestWait(const v1::PacketBatch& batch) {
  uint32_t longest = 0;
  for (const v1::Packet& packet : batch.packets()) longest = std::max(longest, packet.waited_us());
  return longest;
}

}  // namespace

Screeners::Screen* Screeners::Find(const std::string& gateway) {
  const auto found = screeners_.find(gateway);
  return found == screeners_.end() ? nullptr : &found->second;
}

absl::Status Screeners::Enter(const std::string& gateway, const std::string& address,
                              Screener* screener) {
  MutexLock lock(mutex_);
  if (const Screen* other = Find(gateway); other != nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat("its packets are screened already, by somebody at ", other->address));
  }
  screeners_[gateway] = {screener, address, {}};
  ++up_;
  return absl::OkStatus();
}

void Screeners::Leave(const std::string& gateway, Screener* screener, Time now) {
  MutexLock lock(mutex_);
  Screen* const screen = Find(gateway);
  if (screen == nullptr || screen->screener != screener) return;
  for (const auto& [id, waiting] : screen->waiting) {
    if (now < waiting.expires) {
      waiting.stream->DecideByPolicy(waiting.packet, now - waiting.presented);
    }
  }
  screeners_.erase(gateway);
  --up_;
}

bool Screeners::Screening(const std::string& gateway) const {
  if (up_ == 0) return false;
  MutexLock lock(mutex_);
  return screeners_.count(gateway) > 0;
}

bool Screeners::Present(const std::string& gateway, DeferredVerdictSink* stream,
                        Duration hold_limit, const v1::PacketBatch& batch, Time now) {
  if (up_ == 0) return false;
  MutexLock lock(mutex_);
  Screen* const screen = Find(gateway);
  if (screen == nullptr) return false;
  v1::PacketBatch given;
  *given.mutable_time_left() = batch.time_left();
  const size_t room = kMostWaiting - std::min(kMostWaiting, screen->waiting.size());
  const size_t count = std::min(room, static_cast<size_t>(batch.packets_size()));
  for (size_t i = 0; i < count; ++i) *given.add_packets() = batch.packets(static_cast<int>(i));
  if (count == 0 || !screen->screener->Give(given)) return true;
  const uint32_t longest = LongestWait(batch);
  for (v1::Packet& packet : *given.mutable_packets()) {
    const auto waited = std::chrono::microseconds(packet.waited_us());
    const Time expires =
        now + ToDuration(batch.time_left()) + std::chrono::microseconds(longest) - waited;
    const uint64_t id = packet.transaction_id();
    // A packet that waits already was presented again, on a newer stream.
    screen->waiting[id] = {stream, std::move(packet), now, expires, now - waited + hold_limit};
  }
  return true;
}

void Screeners::Refuse(const std::string& gateway, const v1::VerdictErrors& errors) {
  if (up_ == 0) return;
  MutexLock lock(mutex_);
  Screen* const screen = Find(gateway);
  if (screen == nullptr) return;
  // The gateway refused a verdict, perhaps a hold, so the packet does not wait any more.
  for (const auto& entry : errors.entries()) screen->waiting.erase(entry.transaction_id());
  screen->screener->Refused(errors);
}

void Screeners::LeaveStream(const std::string& gateway, DeferredVerdictSink* stream) {
  if (up_ == 0) return;
  MutexLock lock(mutex_);
  Screen* const screen = Find(gateway);
  if (screen == nullptr) return;
  std::vector<uint64_t> gone;
  for (const auto& [id, waiting] : screen->waiting) {
    if (waiting.stream == stream) gone.push_back(id);
  }
  for (const uint64_t id : gone) screen->waiting.erase(id);
  if (!gone.empty()) screen->screener->Gone(gone);
}

void Screeners::Answer(const std::string& gateway, const v1::VerdictBatch& batch, Time now) {
  MutexLock lock(mutex_);
  Screen* const screen = Find(gateway);
  if (screen == nullptr) return;
  v1::VerdictErrors refused;
  for (const v1::Verdict& verdict : batch.verdicts()) {
    const auto found = screen->waiting.find(verdict.transaction_id());
    if (found == screen->waiting.end()) {
      v1::VerdictErrors::Entry* entry = refused.add_entries();
      entry->set_transaction_id(verdict.transaction_id());
      entry->set_error(v1::VERDICT_ERROR_UNKNOWN);
      entry->set_text("no such packet waits: answered already, or its time ran out");
      continue;
    }
    Waiting& waiting = found->second;
    DeferredVerdict deferred{.packet = waiting.packet,
                             .verdict = verdict,
                             .policy = {},
                             .rule = 0,
                             .log = false,
                             .elapsed = now - waiting.presented};
    deferred.verdict.set_reason(DeferredReason("by screen", verdict.reason()));
    waiting.stream->Answer(deferred);
    if (verdict.action() == v1::ACTION_HOLD) {
      const Time longer =
          std::min(waiting.expires + ToDuration(verdict.hold_for()), waiting.latest);
      waiting.expires = std::max(waiting.expires, longer);
    } else {
      screen->waiting.erase(found);
    }
  }
  if (refused.entries_size() > 0) screen->screener->Refused(refused);
}

void Screeners::Expire(const std::string& gateway, Time now) {
  MutexLock lock(mutex_);
  Screen* const screen = Find(gateway);
  if (screen == nullptr) return;
  std::vector<uint64_t> gone;
  for (const auto& [id, waiting] : screen->waiting) {
    if (waiting.expires <= now) gone.push_back(id);
  }
  for (const uint64_t id : gone) screen->waiting.erase(id);
  if (!gone.empty()) screen->screener->Gone(gone);
}

}  // namespace sluice::server
