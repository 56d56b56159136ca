#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

struct nlmsghdr;

namespace sluice::agent {

// Something in other people's nftables rules that concerns us.
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

// Reads the rules of this network namespace, those made by iptables-nft among them, and says what
// it finds, each thing once. Our own table is left out; rules of iptables-legacy are not seen.
// Changes nothing. Any thread, no state.
absl::StatusOr<std::vector<RuleFinding>> SurveyRules();

// The same of our own table, whichever agent made it.
absl::StatusOr<std::vector<RuleFinding>> SurveyOurRules();

// What a message of NFT_MSG_NEWFLOWTABLE says; nothing if it is none.
std::optional<RuleFinding> FlowtableIn(const nlmsghdr* message);

}  // namespace sluice::agent
