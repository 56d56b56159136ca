#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/pending_table.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// Makes of a verdict's payload what the kernel can go on with. One thread.
class PacketRewriter final {
 public:
  // What is to replace the packet; valid until the next call, and as long as the verdict is.
  // `announced`: the decider's wishes said that it would. INVALID_ARGUMENT: it cannot be.
  absl::StatusOr<std::string_view> Rewritten(const PendingPacket& packet,
                                             const v1::Verdict& verdict, bool announced);

 private:
  std::string repaired_;  // a payload whose checksums were
};

}  // namespace sluice::agent
