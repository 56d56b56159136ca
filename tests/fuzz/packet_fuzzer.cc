// IP packets: parses them and repairs their checksums. The first byte is the family, the second how
// much of the packet the copy range leaves.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/packets/checksums.h"
#include "proto/headers/packet_headers.h"
#include "tests/fuzz/require.h"

namespace sluice::agent {
namespace {

std::string AsMessage(const PacketHeaders& headers) {
  v1::Headers message;
  FillHeaders(headers, message);
  return message.SerializeAsString();
}

void CheckParser(v1::Family family, std::span<const uint8_t> packet, size_t copied) {
  PacketHeaders whole;
  PacketLayout layout;
  if (ParseHeaders(family, packet, packet.size(), whole, layout) == Parsed::kMalformed) return;
  Require(!whole.cut_short);
  Require(!whole.has_ports || whole.fragment_offset == 0);
  Require(layout.transport <= layout.length && layout.length <= packet.size());
  const size_t address = family == v1::FAMILY_IPV6 ? 16 : 4;
  Require(layout.final_destination + address <= layout.transport);
  Require(layout.original_source + address <= layout.transport);

  // A packet cut by the copy range is not malformed, and the rest of it is read the same. A
  // separate vector, so that the sanitizer sees a read beyond its end.
  const std::vector<uint8_t> cut(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(copied));
  PacketHeaders part;
  Require(ParseHeaders(family, cut, packet.size(), part) == Parsed::kPacket);
  if (!part.cut_short) return Require(AsMessage(part) == AsMessage(whole));
  Require(!part.has_ip ||
          (whole.has_ip && std::equal(part.source, part.source + 16, whole.source)));
  Require(!part.has_protocol || (whole.has_protocol && part.protocol == whole.protocol));
  Require(!part.has_fragment || part.fragment_offset == whole.fragment_offset);
  v1::Headers shown;
  FillHeaders(part, shown);
  Require(shown.source().empty() == !part.has_ip && shown.has_protocol() == part.has_protocol);
}

void CheckRepair(v1::Family family, std::vector<uint8_t> packet) {
  const std::vector<uint8_t> before = packet;
  const bool repaired = RepairChecksums(family, packet);
  if (!repaired) return Require(packet == before);
  PacketHeaders headers_before;
  PacketHeaders headers;
  Require(ParseHeaders(family, before, before.size(), headers_before) == Parsed::kPacket);
  Require(ParseHeaders(family, packet, packet.size(), headers) == Parsed::kPacket);
  Require(AsMessage(headers) == AsMessage(headers_before));
  const std::vector<uint8_t> once = packet;
  Require(RepairChecksums(family, packet) && packet == once);
}

}  // namespace
}  // namespace sluice::agent

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto family = static_cast<sluice::v1::Family>(data[0]);
  const std::span<const uint8_t> packet(data + 2, size - 2);
  sluice::agent::CheckParser(family, packet, std::min<size_t>(data[1], packet.size()));
  sluice::agent::CheckRepair(family, {packet.begin(), packet.end()});
  return 0;
}
