#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::bench {

// What a DecideResponse holds.
enum class ResponseKind { kMalformed, kEmpty, kWelcome, kVerdicts, kHeartbeat, kRetune };

struct RawVerdict {
  uint64_t transaction_id = 0;
  uint64_t action = 0;  // v1::Action, or a number that is none.

  bool operator==(const RawVerdict&) const = default;
};

// Reads a serialized DecideResponse without building the message, and only what is counted: its
// kind and, of verdicts, ids and actions. Any bytes may be given. Replaces `verdicts`.
ResponseKind ReadResponse(std::string_view bytes, std::vector<RawVerdict>* verdicts);

}  // namespace sluice::bench
