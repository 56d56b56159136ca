#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/packets/pending_table.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// Turns a verdict's payload into one that the kernel can go on with. One thread.
class PacketRewriter final {
 public:
  // The bytes that are to replace the packet; valid until the next call, and only as long as the
  // verdict is. `announced`: the decider's packet options said that verdicts would carry payload.
  // INVALID_ARGUMENT: the packet cannot be replaced by this.
  absl::StatusOr<std::string_view> Rewritten(const PendingPacket& packet,
                                             const v1::Verdict& verdict, bool announced);

 private:
  std::string repaired_;  // a payload with repaired checksums
};

}  // namespace sluice::agent
