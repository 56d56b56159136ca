#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

namespace sluice::cli {

// An IPv4 or IPv6 packet of a capture.
struct CapturedPacket {
  google::protobuf::Timestamp time;
  std::string bytes;    // From its network header on, the part that was captured.
  uint32_t length = 0;  // Of the whole packet.
};

}  // namespace sluice::cli
