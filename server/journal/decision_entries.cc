#include "server/journal/decision_entries.h"

#include <algorithm>

namespace sluice::server {
namespace {

int64_t NowNanoseconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

}  // namespace

void DecisionEntries::Enter(const std::vector<PacketFields>& packets,
                            const std::vector<Ruling>& rulings, uint64_t policy_version,
                            Duration elapsed) const {
  const int64_t now_ns = NowNanoseconds();
  const auto decided = std::count_if(rulings.begin(), rulings.end(),
                                     [](const Ruling& ruling) { return ruling.ask == nullptr; });
  size_t next = 0;
  ring_->Enter(static_cast<size_t>(decided), [&](size_t, DecisionRecord* record) {
    while (rulings[next].ask != nullptr) ++next;
    Fill(packets[next], rulings[next], policy_version, elapsed, record);
    record->time_ns = now_ns;
    ++next;
  });
}

void DecisionEntries::Enter(const PacketFields& packet, const Ruling& ruling,
                            uint64_t policy_version, Duration elapsed) const {
  ring_->Enter(1, [&](size_t, DecisionRecord* record) {
    Fill(packet, ruling, policy_version, elapsed, record);
    record->time_ns = NowNanoseconds();
  });
}

void DecisionEntries::Enter(const DeferredVerdict& deferred) const {
  const v1::Verdict& verdict = deferred.verdict;
  if (verdict.action() == v1::ACTION_HOLD) return;  // Not decided yet.
  Ruling ruling{};
  ruling.action = verdict.action() == v1::ACTION_UNSPECIFIED ? v1::ACTION_DROP : verdict.action();
  ruling.notify = verdict.notify();
  ruling.rule = deferred.rule;
  ruling.log = deferred.log;
  ruling.reason = verdict.reason();
  ruling.scope = verdict.scope();
  Enter(deferred.packet, ruling, deferred.policy.value_or(PolicyEdition()).version,
        deferred.elapsed);
}

void DecisionEntries::Fill(const PacketFields& packet, const Ruling& ruling,
                           uint64_t policy_version, Duration elapsed,
                           DecisionRecord* record) const {
  record->SetPacket(packet);
  record->SetReason(ruling.reason);
  record->policy_version = policy_version;
  record->waited_us +=
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count());
  record->queue = queue_;
  record->action = static_cast<uint8_t>(ruling.action);
  record->notify = static_cast<uint8_t>(ruling.action == v1::ACTION_DROP ? ruling.notify
                                                                         : v1::NOTIFY_UNSPECIFIED);
  record->cause = v1::CAUSE_VERDICT;
  record->rule = ruling.rule;
  record->scope = static_cast<uint8_t>(ruling.scope);
  record->logged = ruling.log;
}

}  // namespace sluice::server
