#include "agent/packets/packet_rewriter.h"

#include <span>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/queue/queue_codec.h"
#include "agent/packets/checksums.h"
#include "proto/headers/packet_headers.h"

namespace sluice::agent {
namespace {

// Whether the payload is exactly as long as its headers say, so that the kernel can go on with it.
bool IsWholePacket(v1::Family family, std::string_view payload) {
  const auto bytes = std::span(reinterpret_cast<const uint8_t*>(payload.data()), payload.size());
  PacketHeaders headers;
  PacketLayout layout;
  return ParseHeaders(family, bytes, bytes.size(), headers, layout) == Parsed::kPacket &&
         layout.length == bytes.size();
}

}  // namespace

absl::StatusOr<std::string_view> PacketRewriter::Rewritten(const PendingPacket& packet,
                                                           const v1::Verdict& verdict,
                                                           bool announced) {
  const std::string& payload = verdict.payload();
  if (!announced) {
    return absl::InvalidArgumentError("payload: the packet_options did not announce it (rewrite)");
  }
  if (!packet.whole) {
    return absl::InvalidArgumentError(
        "payload: the packet was not copied whole, or is several segments");
  }
  if (payload.size() > VerdictBuffer::kLargestPayload) {
    return absl::InvalidArgumentError(absl::StrCat(
        "payload: of ", payload.size(), " bytes; at most ", VerdictBuffer::kLargestPayload));
  }
  if (!IsWholePacket(packet.family, payload)) {
    return absl::InvalidArgumentError(
        "payload: not a whole packet of the same family, as long as its header says");
  }
  if (!verdict.fix_checksums()) return payload;
  repaired_ = payload;
  if (!RepairChecksums(packet.family,
                       {reinterpret_cast<uint8_t*>(repaired_.data()), repaired_.size()})) {
    return absl::InvalidArgumentError(
        "payload: its headers disagree about its length, or hide where it ends up");
  }
  return repaired_;
}

}  // namespace sluice::agent
