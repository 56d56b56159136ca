#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::cli {

// An IPv4 or IPv6 packet of a capture.
struct CapturedPacket {
  google::protobuf::Timestamp time;
  std::string bytes;    // From its network header on, the part that was captured.
  uint32_t length = 0;  // Of the whole packet.
};

// The parts of a captured packet's network headers that are needed to follow fragments and
// connections, read as Linux's connection tracking reads them. Views point into the packet.
struct IpHeaders {
  bool ipv6 = false;
  std::string_view source;
  std::string_view destination;
  uint8_t protocol = 0;  // After IPv6's extension headers, including authentication.
  size_t transport = 0;  // Where its header begins; in a later fragment, its data.
  size_t length = 0;     // Of the whole packet, by its header, without padding.

  // Whether it is a fragment; this includes an atomic fragment (RFC 6946).
  bool fragment = false;
  bool more_fragments = false;
  size_t fragment_offset = 0;  // Bytes into the data of the datagram.
  uint32_t fragment_id = 0;
  size_t fragment_data = 0;  // Where the fragment's data begins in the packet.
  // IPv6: where its fragment header is, and the byte that announces it.
  size_t fragment_header = 0;
  size_t fragment_announced = 0;
};

// None if the packet ends or was cut off before its transport header begins, or if its lengths make
// no sense. `length` is that of the whole packet, or the most that a packet can have if it is not
// known. Total: any bytes give an answer.
std::optional<IpHeaders> ReadIpHeaders(std::string_view bytes, size_t length);

}  // namespace sluice::cli
