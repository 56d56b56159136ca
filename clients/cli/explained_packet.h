#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "sluice/v1/packet.pb.h"

namespace sluice::cli {

// A packet in the words of `policy explain`; what is not said is that of a connection's first.
struct PacketWords {
  std::string source;
  std::string destination;
  std::string protocol;
  std::string port;  // Or the type of icmp.
  std::string source_port = "49152";
  std::string flags = "syn";
  std::string state = "new";
  std::string in_group;
  std::string out_group;
};

// INVALID_ARGUMENT says what was not understood.
absl::StatusOr<v1::Packet> ParsePacket(const PacketWords& words);

// "tcp 10.0.0.1:49152 > 10.0.0.2:80 SYN, state new, in by inside".
std::string DescribePacket(const v1::Packet& packet);

}  // namespace sluice::cli
