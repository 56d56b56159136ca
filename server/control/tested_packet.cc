#include "server/control/tested_packet.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

#include "proto/headers/packet_headers.h"
#include "server/policy/policy_ruling.h"

namespace sluice::server {
namespace {

constexpr char kMalformed[] = "malformed: a gateway drops it without asking";

v1::Family FamilyOf(const std::string& payload) {
  switch (payload.empty() ? 0 : static_cast<uint8_t>(payload.front()) >> 4) {
    case 4:
      return v1::FAMILY_IPV4;
    case 6:
      return v1::FAMILY_IPV6;
    default:
      return v1::FAMILY_UNSPECIFIED;
  }
}

}  // namespace

v1::TestPolicyResponse::Result TestPacket(const RuleSet& rules, v1::Packet* packet) {
  const std::string& payload = packet->payload();
  const auto length =
      static_cast<uint32_t>(std::max<size_t>(packet->original_length(), payload.size()));
  packet->set_original_length(length);
  if (packet->family() == v1::FAMILY_UNSPECIFIED) packet->set_family(FamilyOf(payload));
  bool malformed = false;
  if (!packet->has_headers() && !payload.empty()) {
    PacketHeaders headers;
    const std::span<const uint8_t> copied(reinterpret_cast<const uint8_t*>(payload.data()),
                                          payload.size());
    PacketLayout layout;
    malformed =
        ParseHeaders(packet->family(), copied, length, headers, layout) == Parsed::kMalformed;
    FillHeaders(headers, *packet->mutable_headers());
    // Removes the padding of an Ethernet frame, as the kernel does before an agent sees the packet.
    if (layout.length != 0 && layout.length < length) {
      packet->set_original_length(static_cast<uint32_t>(layout.length));
      if (payload.size() > layout.length) packet->mutable_payload()->resize(layout.length);
    }
  }
  v1::TestPolicyResponse::Result result;
  if (malformed) {
    result.mutable_ruling()->set_action(v1::ACTION_DROP);
    result.mutable_ruling()->set_scope(v1::SCOPE_PACKET);
    result.mutable_ruling()->set_reason(kMalformed);
  } else {
    *result.mutable_ruling() = ToProto(rules.Decide(*packet));
  }
  if (packet->has_headers()) *result.mutable_headers() = packet->headers();
  result.set_family(packet->family());
  return result;
}

bool IsMalformed(const v1::PolicyRuling& ruling) { return ruling.reason() == kMalformed; }

}  // namespace sluice::server
