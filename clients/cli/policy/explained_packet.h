#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "sluice/v1/control.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::cli {

// A packet in the words of `policy explain`. What is left out is taken from the first packet of a
// connection, of a protocol that no rule should name, between interfaces of no group.
struct PacketWords {
  std::string source;
  std::string destination;
  std::string protocol;
  std::string port;  // For icmp, the type.
  std::string source_port;
  std::string flags;
  std::string state;
  std::optional<std::string> in_group;  // "": an interface of no group.
  std::optional<std::string> out_group;
};

// Returns the packet, the names in it that the server has to look up, and which facts were not
// given. INVALID_ARGUMENT says what was not understood.
absl::StatusOr<v1::ExplainPolicyRequest> ParsePacket(const PacketWords& words);

// "tcp 10.0.0.1:49152 > 10.0.0.2:80 SYN, state new, in by inside".
std::string DescribePacket(const v1::Packet& packet);

// "input group (--in-group), bytes": each fact with the option that gives it.
std::string DescribeFacts(const std::vector<v1::PacketFact>& facts);

}  // namespace sluice::cli
