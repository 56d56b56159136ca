#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

struct nlmsghdr;

namespace sluice::agent {

// Something in others' nftables rules that concerns the agent.
struct RuleFinding {
  enum class Kind {
    kQueue,           // Hands packets to queues first .. last.
    kMark,            // Changes `bits` of the packet mark.
    kConnectionMark,  // Changes `bits` of the connection mark.
    kFlowtable,       // Forwards established connections past the rules; in hardware, if
                      // `offload`.
  };
  Kind kind = Kind::kQueue;
  std::string where;  // "table ip mangle, chain FORWARD"
  uint32_t first_queue = 0;
  uint32_t last_queue = 0;
  uint32_t bits = 0;
  bool offload = false;

  bool operator==(const RuleFinding&) const = default;
};

// Reads the rules of this network namespace, including those made by iptables-nft, and returns each
// finding once. Skips our own table. Does not see rules of iptables-legacy. Changes nothing. Any
// thread, no state.
absl::StatusOr<std::vector<RuleFinding>> SurveyRules();

// The same for our own table, whichever agent made it.
absl::StatusOr<std::vector<RuleFinding>> SurveyOurRules();

// The finding in a message NFT_MSG_NEWFLOWTABLE; nullopt for any other message.
std::optional<RuleFinding> FlowtableIn(const nlmsghdr* message);

}  // namespace sluice::agent
