#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/v1/packet.pb.h"

namespace sluice {

// What Sluice reads in a packet's headers. It defines the meaning of v1::Headers, the same for an
// agent that reads a live packet and a server that reads a recorded one. Plain data of fixed size:
// the agent keeps it beside every pending packet. Fields that were not read are zero and marked as
// not known, so that nobody takes the zero for an address, a protocol or a port.
struct PacketHeaders {
  uint8_t source[16] = {};       // the first 4 for IPv4; known if has_ip
  uint8_t destination[16] = {};  // likewise
  v1::Family family = v1::FAMILY_UNSPECIFIED;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint16_t icmp_id = 0;
  uint16_t fragment_offset = 0;  // bytes into the datagram; known if has_fragment
  uint8_t protocol = 0;          // after IPv6 extension headers; known if has_protocol
  uint8_t tcp_flags = 0;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  uint8_t hop_limit = 0;      // known if has_ip
  uint8_t traffic_class = 0;  // likewise
  bool more_fragments : 1 = false;
  bool cut_short : 1 = false;  // the copy ended before the transport header did
  bool has_ip : 1 = false;     // the IP header was read
  bool has_fragment : 1 = false;
  bool has_protocol : 1 = false;
  bool has_ports : 1 = false;
  bool has_icmp : 1 = false;
  bool has_icmp_id : 1 = false;
};

enum class Parsed {
  kPacket,     // headers are filled, as far as the copy goes (see cut_short)
  kMalformed,  // no honest sender makes such a packet; headers hold the part that made sense
};

// Where things are in a packet, in bytes from its network header on.
struct PacketLayout {
  size_t length = 0;     // of the datagram; bytes after it are padding
  size_t transport = 0;  // the transport header
  // The address of the host that will check the checksum. While an IPv6 routing header or an IPv4
  // source route has stops left, it is not in the network header. 0: the packet does not tell.
  size_t final_destination = 0;
  // The source address the checksum covers: the network header's, or an IPv6 home address.
  size_t original_source = 0;
};

// The least that is copied of each packet, so that its headers can be read: the longest IPv4 and
// TCP headers take 60 bytes each, and 128 are two cache lines. Only contrived IPv6 packets have
// longer headers.
inline constexpr size_t kHeaderBytes = 128;

// Whether Linux hosts look for the transport header after this IPv6 next header. Mobility (135),
// HIP (139) and Shim6 (140) have the form of extension headers (RFC 7045), but to Linux they are
// protocols. Netfilter looks past AH; a host does so if it has a security association. Hop-by-hop
// options count only directly after the IPv6 header.
bool IsWalkedExtension(uint8_t next, bool first);

// Reads the headers of an IPv4 (RFC 791) or IPv6 (RFC 8200) packet. Total: any bytes give an
// answer, and no byte outside `copied` is read.
//   family: as the kernel says; a packet whose version field disagrees is malformed.
//   copied: the packet from its network header on, possibly cut by the copy range.
//   original_length: of the whole packet in bytes, at least copied.size().
//   layout: filled, if given, for a packet that is not cut short.
Parsed ParseHeaders(v1::Family family, std::span<const uint8_t> copied, size_t original_length,
                    PacketHeaders& headers);
Parsed ParseHeaders(v1::Family family, std::span<const uint8_t> copied, size_t original_length,
                    PacketHeaders& headers, PacketLayout& layout);

// Writes them as a message of the wire. Replaces whatever `message` held.
void FillHeaders(const PacketHeaders& headers, v1::Headers& message);

}  // namespace sluice
