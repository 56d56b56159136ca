#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/journal/decision_log.h"
#include "server/packets/packet_fields.h"
#include "server/policy/rule_set.h"
#include "server/verdicts/verdict.h"

namespace sluice::server {

// Enters the decisions of one Decide stream into the log of decisions. Any thread may call.
class DecisionEntries final {
 public:
  using Duration = std::chrono::steady_clock::duration;

  // `ring` is the gateway's; not owned.
  DecisionEntries(DecisionRing* ring, uint32_t queue) : ring_(ring), queue_(queue) {}

  // Enters the policy's rulings on a batch, one for each packet. Rulings that ask a decider are
  // skipped.
  void Enter(const std::vector<PacketFields>& packets, const std::vector<Ruling>& rulings,
             uint64_t policy_version, Duration elapsed) const;
  // The same for a single packet.
  void Enter(const PacketFields& packet, const Ruling& ruling, uint64_t policy_version,
             Duration elapsed) const;
  // Enters nothing if `deferred` only asks for more time.
  void Enter(const DeferredVerdict& deferred) const;

 private:
  // Fills in everything but the time.
  void Fill(const PacketFields& packet, const Ruling& ruling, uint64_t policy_version,
            Duration elapsed, DecisionRecord* record) const;

  DecisionRing* ring_;  // Not owned.
  uint32_t queue_;
};

}  // namespace sluice::server
