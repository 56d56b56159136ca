#include "server/policy/engine/packet_view.h"

#include <cstring>
#include <string>

#include "proto/headers/packet_headers.h"

namespace sluice::server::policy {
namespace {

AddressWords ToWords(const std::string& bytes) {
  AddressWords words{};
  std::memcpy(words.data(), bytes.data(), bytes.size());  // 4 or 16 bytes, checked by the caller.
  return words;
}

int Bounded(uint32_t value, uint32_t most) {
  return value <= most ? static_cast<int>(value) : PacketView::kUnknown;
}

bool SizeFits(v1::Family family, size_t size) {
  switch (family) {
    case v1::FAMILY_IPV4:
      return size == 4;
    case v1::FAMILY_IPV6:
      return size == 16;
    default:
      return size == 4 || size == 16;  // The family is not stated.
  }
}

// If an IPv6 packet was cut within the chain of extension headers, agents from before the field
// could be absent gave the last extension header's number.
bool IsExtension(uint32_t protocol) {
  return protocol <= 255 && IsWalkedExtension(static_cast<uint8_t>(protocol), true);
}

}  // namespace

AddressWords ToWords(const std::array<uint8_t, 16>& bytes) {
  AddressWords words;
  std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

PacketView ViewPacket(const v1::Packet& packet) {
  PacketView view;
  view.input_group = packet.input_group();
  view.output_group = packet.output_group();
  if (v1::ConnectionState_IsValid(packet.connection_state())) {
    view.state = packet.connection_state();
  }
  const std::string& payload = packet.payload();
  view.bytes = {{reinterpret_cast<const uint8_t*>(payload.data()), payload.size()},
                packet.original_length()};
  if (!packet.has_headers()) return view;
  const v1::Headers& headers = packet.headers();
  // Absent addresses have size 0, and then nothing after them is known either.
  const size_t size = headers.source().size();
  if (size != headers.destination().size() || !SizeFits(packet.family(), size)) return view;
  view.address_size = size;
  view.source = ToWords(headers.source());
  view.destination = ToWords(headers.destination());

  const bool later_fragment = headers.fragment_offset() != 0;
  if (size == 16 && (headers.cut_short() || later_fragment) && IsExtension(headers.protocol())) {
    return view;
  }
  if (headers.has_protocol()) view.protocol = Bounded(headers.protocol(), 255);
  if (later_fragment) return view;
  if (headers.has_source_port()) view.source_port = Bounded(headers.source_port(), 65535);
  if (headers.has_destination_port()) {
    view.destination_port = Bounded(headers.destination_port(), 65535);
  }
  if (headers.has_icmp_type()) view.icmp_type = Bounded(headers.icmp_type(), 255);
  if (headers.has_tcp_flags()) view.tcp_flags = Bounded(headers.tcp_flags(), 255);
  return view;
}

}  // namespace sluice::server::policy
