#include "clients/cli/capture/link_layer.h"

#include <pcap/pcap.h>

namespace sluice::cli {
namespace {

// https://www.tcpdump.org/linktypes.html
enum LinkType : uint32_t {
  kNull = 0,
  kEthernet = 1,
  kPpp = 9,
  kRawAsSystem = 12,  // Linux's own number of raw IP; some programs write it untranslated.
  kPppSerial = 50,
  kPppEthernet = 51,
  kRaw = 101,
  kLoop = 108,
  kCooked = 113,
  kPppDaemon = 166,
  kMpls = 219,
  kIpV4 = 228,
  kIpV6 = 229,
  kCooked2 = 276,
};

using Frame = std::span<const uint8_t>;
using Place = std::optional<size_t>;

uint32_t Read16(Frame frame, size_t at) {
  return static_cast<uint32_t>(frame[at] << 8 | frame[at + 1]);
}

bool Has(Frame frame, size_t at, size_t size) {
  return at <= frame.size() && size <= frame.size() - at;
}

// Where the labels that begin at `at` end. What follows the last one identifies itself.
Place BehindLabels(Frame frame, size_t at) {
  for (; Has(frame, at, 4); at += 4) {
    const bool last = (frame[at + 2] & 1) != 0;
    if (last) return at + 4;
  }
  return std::nullopt;
}

// What follows PPP's protocol number at `at`, which may have one byte only (RFC 1661).
Place BehindPpp(Frame frame, size_t at) {
  if (!Has(frame, at, 1)) return std::nullopt;
  uint32_t protocol = frame[at];
  size_t behind = at + 1;
  if ((protocol & 1) == 0) {
    if (!Has(frame, at, 2)) return std::nullopt;
    protocol = Read16(frame, at);
    behind = at + 2;
  }
  switch (protocol) {
    case 0x0021:
    case 0x0057:
      return behind;
    case 0x0281:  // MPLS unicast and multicast
    case 0x0283:
      return BehindLabels(frame, behind);
    default:
      return std::nullopt;
  }
}

// What follows HDLC's address and control, if they are present.
Place BehindHdlc(Frame frame, size_t at) {
  const bool there = Has(frame, at, 2) && frame[at] == 0xff && frame[at + 1] == 0x03;
  return BehindPpp(frame, there ? at + 2 : at);
}

// What follows the PPPoE header at `at` (RFC 2516): version, type, code, session, length.
Place BehindPppoe(Frame frame, size_t at) {
  if (!Has(frame, at, 6) || frame[at] != 0x11 || frame[at + 1] != 0) return std::nullopt;
  return BehindPpp(frame, at + 6);
}

// What follows the EtherType at `at`; the content it announces begins at `next`. Ends, as every
// turn advances in the frame.
Place BehindEtherType(Frame frame, size_t at, size_t next) {
  while (Has(frame, at, 2)) {
    const uint32_t type = Read16(frame, at);
    switch (type) {
      case 0x0800:
      case 0x86dd:
        return next;
      case 0x8100:  // 802.1Q, 802.1ad and its predecessors: a tag, then an EtherType.
      case 0x88a8:
      case 0x9100:
      case 0x9200:
        at = next + 2;
        next += 4;
        continue;
      case 0x8847:
      case 0x8848:
        return BehindLabels(frame, next);
      case 0x8864:
        return BehindPppoe(frame, next);
      default:
        break;
    }
    // 802.3: a length, then LLC and SNAP, then an EtherType (RFC 1042).
    constexpr uint8_t kSnap[] = {0xaa, 0xaa, 0x03, 0, 0, 0};
    if (type > 1500 || !Has(frame, next, sizeof kSnap + 2)) break;
    for (size_t i = 0; i < sizeof kSnap; ++i) {
      if (frame[next + i] != kSnap[i]) return std::nullopt;
    }
    at = next + sizeof kSnap;
    next = at + 2;
  }
  return std::nullopt;
}

// LINKTYPE_NULL and _LOOP begin with the family, as the capturing system numbers it, in its own
// byte order or in the network's.
bool IsFamilyOfIp(Frame frame) {
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

Place Find(uint32_t link_type, Frame frame) {
  switch (link_type) {
    case kEthernet:
      return BehindEtherType(frame, 12, 14);
    case kCooked:
      return BehindEtherType(frame, 14, 16);
    case kCooked2:  // The type comes first in it.
      return BehindEtherType(frame, 0, 20);
    case kNull:
    case kLoop:
      return frame.size() < 4 || !IsFamilyOfIp(frame) ? std::nullopt : Place(4);
    case kRaw:
    case kRawAsSystem:
    case kIpV4:
    case kIpV6:
      return 0;
    case kPpp:
    case kPppSerial:
      return BehindHdlc(frame, 0);
    case kPppDaemon:  // Like HDLC, with the direction in place of the address.
      return BehindPpp(frame, 2);
    case kPppEthernet:
      return BehindPppoe(frame, 0);
    case kMpls:
      return BehindLabels(frame, 0);
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<size_t> FindNetworkHeader(uint32_t link_type, std::span<const uint8_t> frame) {
  const Place header = Find(link_type, frame);
  if (!header || *header >= frame.size()) return std::nullopt;
  const int version = frame[*header] >> 4;
  return version == 4 || version == 6 ? header : std::nullopt;
}

bool KnowsLinkType(uint32_t link_type) {
  switch (link_type) {
    case kNull:
    case kEthernet:
    case kPpp:
    case kRawAsSystem:
    case kPppSerial:
    case kPppEthernet:
    case kRaw:
    case kLoop:
    case kCooked:
    case kPppDaemon:
    case kMpls:
    case kIpV4:
    case kIpV6:
    case kCooked2:
      return true;
    default:
      return false;
  }
}

std::string LinkTypeName(uint32_t link_type) {
  const char* const name = pcap_datalink_val_to_name(static_cast<int>(link_type));
  return name == nullptr ? std::to_string(link_type) : name;
}

}  // namespace sluice::cli
