#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/packets/packet_fields.h"
#include "server/policy/terms/bpf_program.h"

namespace sluice::server::policy {

// 16 bytes as two words, so that comparing under a mask takes two operations. An IPv4 address is in
// the first four bytes; zeros follow.
using AddressWords = std::array<uint64_t, 2>;

AddressWords ToWords(const std::array<uint8_t, 16>& bytes);

// What a policy may look at, read from a packet once. Each field is either known or says that it is
// not; Matcher says how terms treat what is not known.
struct PacketView {
  static constexpr int kUnknown = -1;

  size_t address_size = 0;  // 4 IPv4, 16 IPv6, 0 if the addresses are not known.
  AddressWords source{};
  AddressWords destination{};
  int protocol = kUnknown;
  int source_port = kUnknown;
  int destination_port = kUnknown;
  int icmp_type = kUnknown;
  int tcp_flags = kUnknown;
  int state = 0;  // v1::ConnectionState, 0 if it is not known.
  // Groups of the interfaces it came in by and leaves by; empty for none. Views of the packet.
  std::string_view input_group;
  std::string_view output_group;
  // What `match` sees; a view of the packet.
  BpfPacket bytes;
};

// Reads the packet's headers, without allocating. Headers that contradict themselves count as none,
// for example with addresses of different sizes, or of another family than the packet's. Numbers
// beyond their field's range are not known. Nor are the ports of later fragments, whatever the
// headers say, nor the protocol of an IPv6 packet if the last number read is that of an extension
// header. A field that is absent is not known; it never means zero.
PacketView ViewPacket(const PacketFields& packet);

}  // namespace sluice::server::policy
