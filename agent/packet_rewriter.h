#pragma once

#include <string>
#include <string_view>

#include "agent/pending_table.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// Makes of a verdict's payload what the kernel can go on with. One thread.
class PacketRewriter final {
 public:
  // What is to replace the packet; on return `why_not` says why it cannot be, if so. Valid until
  // the next call, and as long as the verdict is. `announced`: the decider's wishes said that it
  // would.
  std::string_view Rewritten(const PendingPacket& packet, const v1::Verdict& verdict,
                             bool announced, std::string& why_not);

 private:
  std::string repaired_;  // a payload whose checksums were
};

}  // namespace sluice::agent
