#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "sluice/v1/control.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::cli {

// A packet in the words of `policy explain`; what is not said is that of a connection's first
// packet, of a protocol that no rule has a name for, by interfaces of no group.
struct PacketWords {
  std::string source;
  std::string destination;
  std::string protocol;
  std::string port;  // Or the type of icmp.
  std::string source_port;
  std::string flags;
  std::string state;
  std::optional<std::string> in_group;  // Empty: of none.
  std::optional<std::string> out_group;
};

// The packet, the names in it that the server is to look up, and what was not said.
// INVALID_ARGUMENT says what was not understood.
absl::StatusOr<v1::ExplainPolicyRequest> ParsePacket(const PacketWords& words);

// "tcp 10.0.0.1:49152 > 10.0.0.2:80 SYN, state new, in by inside".
std::string DescribePacket(const v1::Packet& packet);

// "input group (--in-group), bytes": with what each is said.
std::string DescribeFacts(const std::vector<v1::PacketFact>& facts);

}  // namespace sluice::cli
