#include "server/policy/engine/packet_view.h"

#include <cstring>

#include "proto/headers/packet_headers.h"

namespace sluice::server::policy {
namespace {

AddressWords ToWords(std::string_view bytes) {
  AddressWords words{};
  std::memcpy(words.data(), bytes.data(), bytes.size());  // 4 or 16 bytes, checked by the caller.
  return words;
}

int Bounded(std::optional<uint32_t> value, uint32_t most) {
  return value && *value <= most ? static_cast<int>(*value) : PacketView::kUnknown;
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
bool IsExtension(std::optional<uint32_t> protocol) {
  const uint32_t number = protocol.value_or(0);
  return number <= 255 && IsWalkedExtension(static_cast<uint8_t>(number), true);
}

}  // namespace

AddressWords ToWords(const std::array<uint8_t, 16>& bytes) {
  AddressWords words;
  std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

PacketView ViewPacket(const PacketFields& packet) {
  PacketView view;
  view.input_group = packet.input_group;
  view.output_group = packet.output_group;
  if (v1::ConnectionState_IsValid(packet.connection_state)) view.state = packet.connection_state;
  view.bytes = {{reinterpret_cast<const uint8_t*>(packet.payload.data()), packet.payload.size()},
                packet.original_length};
  const HeaderFields& headers = packet.headers;
  // Absent addresses have size 0, and then nothing after them is known either.
  const size_t size = headers.source.size();
  if (size != headers.destination.size() || !SizeFits(packet.family, size)) return view;
  view.address_size = size;
  view.source = ToWords(headers.source);
  view.destination = ToWords(headers.destination);

  const bool later_fragment = headers.fragment_offset.value_or(0) != 0;
  if (size == 16 && (headers.cut_short || later_fragment) && IsExtension(headers.protocol)) {
    return view;
  }
  view.protocol = Bounded(headers.protocol, 255);
  if (later_fragment) return view;
  view.source_port = Bounded(headers.source_port, 65535);
  view.destination_port = Bounded(headers.destination_port, 65535);
  view.icmp_type = Bounded(headers.icmp_type, 255);
  view.tcp_flags = Bounded(headers.tcp_flags, 255);
  return view;
}

}  // namespace sluice::server::policy
