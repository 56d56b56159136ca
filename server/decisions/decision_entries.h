#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/decisions/decision_log.h"
#include "server/decisions/late_verdict.h"
#include "server/policy/rule_set.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// What a Decide stream enters into the log of decisions. Any thread may call.
class DecisionEntries final {
 public:
  using Duration = std::chrono::steady_clock::duration;

  // `ring` is the gateway's; not owned.
  DecisionEntries(DecisionRing* ring, uint32_t queue) : ring_(ring), queue_(queue) {}

  // What the policy has decided of a batch, a ruling each packet; not those that ask somebody.
  void Enter(const v1::PacketBatch& batch, const std::vector<Ruling>& rulings,
             uint64_t policy_version, Duration elapsed) const;
  // The same of a single packet.
  void Enter(const v1::Packet& packet, const Ruling& ruling, uint64_t policy_version,
             Duration elapsed) const;
  // Nothing if it only asks for more time.
  void Enter(const LateVerdict& late) const;

 private:
  // All but the time.
  void Fill(const v1::Packet& packet, const Ruling& ruling, uint64_t policy_version,
            Duration elapsed, DecisionRecord* record) const;

  DecisionRing* ring_;  // Not owned.
  uint32_t queue_;
};

}  // namespace sluice::server
