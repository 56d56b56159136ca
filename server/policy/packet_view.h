#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/policy/bpf_program.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server::policy {

// 16 bytes as two words, so that comparing under a mask takes two operations. An IPv4 address is
// the first four bytes, zeros behind it.
using AddressWords = std::array<uint64_t, 2>;

AddressWords ToWords(const std::array<uint8_t, 16>& bytes);

// What a policy may look at, read out of a packet once. Everything here is either known or says
// that it is not; Matcher says what becomes of terms about what is not known.
struct PacketView {
  static constexpr int kUnknown = -1;

  size_t address_size = 0;  // 4 IPv4, 16 IPv6, 0 where the addresses are not known.
  AddressWords source{};
  AddressWords destination{};
  int protocol = kUnknown;
  int source_port = kUnknown;
  int destination_port = kUnknown;
  int icmp_type = kUnknown;
  int tcp_flags = kUnknown;
  int state = 0;  // v1::ConnectionState, 0 where it is not known.
  // Of the interfaces it came in and leaves by; empty for none. Of the packet's own text.
  std::string_view input_group;
  std::string_view output_group;
  // As `match` sees it; the packet's own bytes.
  BpfPacket bytes;
};

// Reads the packet's headers, without allocating. Headers that contradict themselves, such as
// addresses of different sizes, or the packet's family, are as good as none; numbers beyond their
// field's range are not known. Nor are the ports of later fragments, whatever the headers say, nor
// the protocol of an IPv6 packet where the last number read is that of an extension header. A field
// that is absent is not known, and never zero.
PacketView ViewPacket(const v1::Packet& packet);

}  // namespace sluice::server::policy
