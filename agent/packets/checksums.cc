#include "agent/packets/checksums.h"

#include <cstddef>

#include "proto/headers/packet_headers.h"

namespace sluice::agent {
namespace {

// IANA protocol numbers.
enum Protocol : uint8_t { kIcmp = 1, kTcp = 6, kUdp = 17, kIcmpV6 = 58 };

// Where each header keeps its checksum.
constexpr size_t kIpV4Field = 10;
constexpr size_t kTcpField = 16;
constexpr size_t kUdpField = 6;
constexpr size_t kIcmpField = 2;

uint16_t Word(std::span<const uint8_t> bytes, size_t offset) {
  return static_cast<uint16_t>(bytes[offset] << 8 | bytes[offset + 1]);
}

void SetWord(std::span<uint8_t> bytes, size_t offset, uint16_t value) {
  bytes[offset] = static_cast<uint8_t>(value >> 8);
  bytes[offset + 1] = static_cast<uint8_t>(value);
}

// Sum of the 16-bit words; an odd last byte is the upper half of one (RFC 1071).
uint64_t Sum(std::span<const uint8_t> bytes) {
  uint64_t sum = 0;
  size_t offset = 0;
  for (; offset + 1 < bytes.size(); offset += 2) sum += Word(bytes, offset);
  if (offset < bytes.size()) sum += uint64_t{bytes[offset]} << 8;
  return sum;
}

uint16_t Checksum(uint64_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// What a checksum covers beside the transport header and its data (RFC 9293, RFC 8200). The
// addresses are summed where they are in the packet: their order does not matter.
uint64_t PseudoHeader(v1::Family family, std::span<const uint8_t> packet,
                      const PacketLayout& layout, uint8_t protocol, size_t length) {
  const size_t size = family == v1::FAMILY_IPV4 ? 4 : 16;
  const uint64_t addresses = Sum(packet.subspan(layout.original_source, size)) +
                             Sum(packet.subspan(layout.final_destination, size));
  return addresses + protocol + length;
}

}  // namespace

bool RepairChecksums(v1::Family family, std::span<uint8_t> packet) {
  PacketHeaders headers;
  PacketLayout layout;
  if (ParseHeaders(family, packet, packet.size(), headers, layout) != Parsed::kPacket ||
      layout.length != packet.size()) {
    return false;
  }
  const bool ipv4 = family == v1::FAMILY_IPV4;
  const bool fragment = headers.fragment_offset != 0 || headers.more_fragments;
  std::span<uint8_t> transport = packet.subspan(layout.transport);
  size_t field = 0;
  if (!fragment && headers.protocol == kTcp) {
    field = kTcpField;
  } else if (!fragment && headers.protocol == kUdp) {
    // The receiver goes by UDP's own length; bytes behind it are not checked.
    const size_t length = Word(transport, 4);
    if (length < 8 || length > transport.size()) return false;
    transport = transport.first(length);
    field = kUdpField;
  } else if (!fragment && headers.protocol == (ipv4 ? kIcmp : kIcmpV6)) {
    field = kIcmpField;
  }
  const bool pseudo_header = headers.protocol != kIcmp;
  if (field != 0 && pseudo_header && layout.final_destination == 0) return false;

  if (ipv4) {
    SetWord(packet, kIpV4Field, 0);
    SetWord(packet, kIpV4Field, Checksum(Sum(packet.first(layout.transport))));
  }
  if (field == 0) return true;
  SetWord(transport, field, 0);
  uint64_t sum = Sum(transport);
  if (pseudo_header) {
    sum += PseudoHeader(family, packet, layout, headers.protocol, transport.size());
  }
  uint16_t checksum = Checksum(sum);
  // In UDP, zero means that there is no checksum (RFC 768); 0xffff is the same sum.
  if (checksum == 0 && headers.protocol == kUdp) checksum = 0xffff;
  SetWord(transport, field, checksum);
  return true;
}

}  // namespace sluice::agent
