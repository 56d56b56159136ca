#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/v1/packet.pb.h"

namespace sluice {

// What Sluice reads in a packet's headers: the meaning of v1::Headers, the same for an agent that
// reads a live packet and a server that reads a recorded one. Plain data of fixed size: the agent
// keeps it beside every pending packet.
struct PacketHeaders {
  uint8_t source[16] = {};       // the first 4 for IPv4
  uint8_t destination[16] = {};  // the same
  v1::Family family = v1::FAMILY_UNSPECIFIED;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint16_t icmp_id = 0;
  uint16_t fragment_offset = 0;  // bytes into the datagram
  uint8_t protocol = 0;          // behind any IPv6 extension headers
  uint8_t tcp_flags = 0;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  uint8_t hop_limit = 0;
  uint8_t traffic_class = 0;
  bool more_fragments : 1 = false;
  bool cut_short : 1 = false;  // the copy range ended before the transport header did
  bool has_ports : 1 = false;
  bool has_icmp : 1 = false;
  bool has_icmp_id : 1 = false;
};

enum class Parsed {
  kPacket,     // headers are filled, as far as the copy goes (see cut_short)
  kMalformed,  // no sender that means well makes such a packet; headers hold what made sense
};

// Where things are in a packet, in bytes from its network header on.
struct PacketLayout {
  size_t length = 0;     // the datagram's own: what is behind it is padding
  size_t transport = 0;  // the transport header
  // IPv6: the address of the host that will check the checksum, which is not in the network header
  // while a routing header has segments left. 0: this type of routing header is not known.
  size_t final_destination = 0;
};

// Reads the headers of an IPv4 (RFC 791) or IPv6 (RFC 8200) packet. Total: any bytes give an
// answer and none is read outside `copied`.
//   family: as the kernel says; a packet whose version field disagrees is malformed.
//   copied: the packet from its network header on, possibly cut by the copy range.
//   original_length: of the whole packet in bytes, at least copied.size().
//   layout: filled, where it is asked for, for a packet that is not cut short.
Parsed ParseHeaders(v1::Family family, std::span<const uint8_t> copied, size_t original_length,
                    PacketHeaders& headers);
Parsed ParseHeaders(v1::Family family, std::span<const uint8_t> copied, size_t original_length,
                    PacketHeaders& headers, PacketLayout& layout);

// The same as the wire has them; whatever `message` held is gone.
void FillHeaders(const PacketHeaders& headers, v1::Headers& message);

}  // namespace sluice
