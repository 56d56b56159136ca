#include "clients/cli/link_layer.h"

#include <pcap/dlt.h>

namespace sluice::cli {
namespace {

constexpr uint32_t kIpV4 = 0x0800;
constexpr uint32_t kIpV6 = 0x86dd;

uint32_t Read16(std::span<const uint8_t> frame, size_t at) {
  return static_cast<uint32_t>(frame[at] << 8 | frame[at + 1]);
}

// Behind the EtherType at `at`, from which the header is `ahead` bytes away.
std::optional<size_t> Behind(std::span<const uint8_t> frame, size_t at, size_t ahead) {
  size_t header = at + ahead;
  while (header <= frame.size()) {
    const uint32_t type = Read16(frame, at);
    if (type == kIpV4 || type == kIpV6) return header;
    // 802.1Q, 802.1ad, and what was used before that: a tag, then the next EtherType.
    if (type != 0x8100 && type != 0x88a8 && type != 0x9100) break;
    if (header + 4 > frame.size()) break;
    at = header + 2;
    header += 4;
  }
  return std::nullopt;
}

// Of DLT_NULL and DLT_LOOP: the family as the capturing system numbers it, in its byte order or in
// the network's.
bool IsFamilyOfIp(std::span<const uint8_t> frame) {
  const uint32_t low = frame[0] | frame[1] << 8;
  const uint32_t high = Read16(frame, 2);
  const uint32_t family = high == 0 ? low : low == 0 ? high : 0;
  switch (family) {
    case 2:   // AF_INET, everywhere
    case 10:  // AF_INET6: Linux,
    case 24:  // NetBSD and OpenBSD,
    case 28:  // FreeBSD,
    case 30:  // macOS
      return true;
    default:
      return false;
  }
}

std::optional<size_t> Find(int link_type, std::span<const uint8_t> frame) {
  switch (link_type) {
    case DLT_EN10MB:
      return frame.size() < 14 ? std::nullopt : Behind(frame, 12, 2);
    case DLT_LINUX_SLL:
      return frame.size() < 16 ? std::nullopt : Behind(frame, 14, 2);
    case DLT_LINUX_SLL2:  // The type comes first in it.
      return frame.size() < 20 ? std::nullopt : Behind(frame, 0, 20);
    case DLT_NULL:
    case DLT_LOOP:
      return frame.size() < 4 || !IsFamilyOfIp(frame) ? std::nullopt : std::optional<size_t>(4);
    case DLT_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
      return 0;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<size_t> FindNetworkHeader(int link_type, std::span<const uint8_t> frame) {
  const std::optional<size_t> header = Find(link_type, frame);
  if (!header || *header >= frame.size()) return std::nullopt;
  const int version = frame[*header] >> 4;
  return version == 4 || version == 6 ? header : std::nullopt;
}

bool KnowsLinkType(int link_type) {
  switch (link_type) {
    case DLT_EN10MB:
    case DLT_LINUX_SLL:
    case DLT_LINUX_SLL2:
    case DLT_NULL:
    case DLT_LOOP:
    case DLT_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
      return true;
    default:
      return false;
  }
}

}  // namespace sluice::cli
