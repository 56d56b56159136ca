#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "server/policies/policy_edition.h"
#include "server/policy/rule_set.h"
#include "server/verdicts/scope_set.h"
#include "sluice/v1/decision.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server {

// Writes a policy's ruling as a verdict. A scope the agent cannot enforce is left out: the verdict
// then decides this packet only.
inline void FillVerdict(uint64_t transaction_id, const Ruling& ruling, const ScopeSet& scopes,
                        v1::Verdict* verdict) {
  verdict->set_transaction_id(transaction_id);
  verdict->set_action(ruling.action);
  verdict->set_reason(ruling.reason.data(), ruling.reason.size());
  if (ruling.action == v1::ACTION_DROP) verdict->set_notify(ruling.notify);
  if (ruling.scope == v1::SCOPE_PACKET || !scopes.Has(ruling.scope)) return;
  verdict->set_scope(ruling.scope);
  if (ruling.lifetime.count() > 0)
    verdict->mutable_lifetime()->set_seconds(ruling.lifetime.count());
}

// The reason of a verdict that was not given by the policy: who gave it, and their own reason if
// there is one. Cut to what the protocol promises to keep, never within a character.
inline std::string DeferredReason(std::string_view who, const std::string& theirs) {
  constexpr size_t kKept = 256;
  std::string reason(who);
  if (!theirs.empty()) absl::StrAppend(&reason, ": ", theirs);
  if (reason.size() <= kKept) return reason;
  size_t end = kKept;
  while (end > 0 && (static_cast<uint8_t>(reason[end]) & 0xc0) == 0x80) --end;
  reason.resize(end);
  return reason;
}

// A verdict that is given after its batch was answered, because not the policy gave it but a
// screener, or a decider that a rule names.
struct DeferredVerdict {
  const v1::Packet& packet;
  v1::Verdict verdict;  // On it; the reason says who decided.
  // The policy whose rule asked; absent if no policy was involved.
  std::optional<PolicyEdition> policy;
  uint32_t rule;                                // The rule's number; 0 if there is none.
  bool log;                                     // That rule says `log`.
  std::chrono::steady_clock::duration elapsed;  // Since the packet was presented.
};

// A Decide stream, as seen by those who answer its packets later than the policy would.
class DeferredVerdictSink {
 public:
  virtual void Answer(const DeferredVerdict& deferred) = 0;
  // Nobody else decides this packet after all, so the policy does.
  virtual void DecideByPolicy(const v1::Packet& packet,
                              std::chrono::steady_clock::duration elapsed) = 0;

 protected:
  ~DeferredVerdictSink() = default;
};

}  // namespace sluice::server
