#include "proto/headers/packet_headers.h"

#include <algorithm>
#include <cstring>

namespace sluice {
namespace {

// IANA numbers of the protocols that the parser looks into.
enum Protocol : uint8_t {
  kHopByHop = 0,
  kIcmp = 1,
  kTcp = 6,
  kUdp = 17,
  kDccp = 33,
  kRouting = 43,
  kFragment = 44,
  kAuthentication = 51,
  kIcmpV6 = 58,
  kDestinationOptions = 60,
  kSctp = 132,
  kUdpLite = 136,
};

uint16_t Word(const uint8_t* bytes) { return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]); }

// A needed part of the packet is there, was cut off by the copy range, or never existed.
enum class Part { kThere, kCut, kMissing };

class Reader {
 public:
  Reader(std::span<const uint8_t> copied, size_t length) : copied_(copied), length_(length) {}

  // Bytes [offset, offset + size).
  Part Look(size_t offset, size_t size) const {
    if (offset + size > length_) return Part::kMissing;
    return offset + size > copied_.size() ? Part::kCut : Part::kThere;
  }
  const uint8_t* At(size_t offset) const { return copied_.data() + offset; }
  void Limit(size_t length) {
    length_ = std::min(length_, length);
    copied_ = copied_.first(std::min(copied_.size(), length));
  }
  size_t length() const { return length_; }

 private:
  std::span<const uint8_t> copied_;
  size_t length_;
};

// The shortest legal transport header. The packet must have it, whatever the copy range.
size_t MinimumSize(uint8_t protocol) {
  switch (protocol) {
    case kTcp:
      return 20;
    case kUdp:
    case kUdpLite:
    case kIcmp:
      return 8;
    case kIcmpV6:
      return 4;
    case kSctp:
    case kDccp:
      return 12;
    default:
      return 0;
  }
}

Parsed ParseTransport(const Reader& reader, size_t offset, PacketHeaders& headers) {
  if (headers.fragment_offset != 0) return Parsed::kPacket;
  const size_t size = MinimumSize(headers.protocol);
  if (size == 0) return Parsed::kPacket;
  switch (reader.Look(offset, size)) {
    case Part::kMissing:
      return Parsed::kMalformed;  // includes tiny-fragment attacks (RFC 1858)
    case Part::kCut:
      headers.cut_short = true;
      return Parsed::kPacket;
    case Part::kThere:
      break;
  }
  const uint8_t* bytes = reader.At(offset);
  if (headers.protocol == kIcmp || headers.protocol == kIcmpV6) {
    headers.has_icmp = true;
    headers.icmp_type = bytes[0];
    headers.icmp_code = bytes[1];
    const bool echo = headers.protocol == kIcmp ? bytes[0] == 0 || bytes[0] == 8
                                                : bytes[0] == 128 || bytes[0] == 129;
    if (!echo) return Parsed::kPacket;
    const Part id = reader.Look(offset, 8);
    headers.cut_short = id == Part::kCut;
    headers.has_icmp_id = id == Part::kThere;
    if (headers.has_icmp_id) headers.icmp_id = Word(bytes + 4);
    return Parsed::kPacket;
  }
  headers.has_ports = true;
  headers.source_port = Word(bytes);
  headers.destination_port = Word(bytes + 2);
  if (headers.protocol == kTcp) {
    headers.tcp_flags = bytes[13];
    const size_t header = (bytes[12] >> 4) * size_t{4};
    if (header < 20 || offset + header > reader.length()) return Parsed::kMalformed;
  }
  return Parsed::kPacket;
}

// Where the final destination of an IPv4 packet with this header is: the last stop of a source
// route (RFC 791) that has stops left, else the header's own. 0: the options make no sense.
size_t FinalDestination(std::span<const uint8_t> header) {
  constexpr size_t kDestination = 16;
  enum Option : uint8_t { kEnd = 0, kNothing = 1, kLooseRoute = 131, kStrictRoute = 137 };
  for (size_t offset = 20; offset < header.size() && header[offset] != kEnd;) {
    if (header[offset] == kNothing) {
      ++offset;
      continue;
    }
    const size_t left = header.size() - offset;
    const size_t size = left < 2 ? 0 : header[offset + 1];
    if (size < 2 || size > left) return 0;
    if (header[offset] == kLooseRoute || header[offset] == kStrictRoute) {
      if (size < 3) return 0;
      // It counts from 1; beyond the end no stops are left. Before it, addresses must be whole.
      const size_t next = header[offset + 2];
      if (next > size) return kDestination;
      if (next < 4 || next % 4 != 0 || size % 4 != 3) return 0;
      return offset + size - 4;
    }
    offset += size;
  }
  return kDestination;
}

Parsed ParseIpV4(Reader reader, PacketHeaders& headers, PacketLayout& layout) {
  switch (reader.Look(0, 20)) {
    case Part::kMissing:
      return Parsed::kMalformed;
    case Part::kCut:
      headers.cut_short = true;
      return Parsed::kPacket;
    case Part::kThere:
      break;
  }
  const uint8_t* bytes = reader.At(0);
  if (bytes[0] >> 4 != 4) return Parsed::kMalformed;
  const size_t header = (bytes[0] & 15) * size_t{4};
  size_t total = Word(bytes + 2);
  // Segments merged beyond 64 KiB do not fit the field; Linux leaves 0 there.
  if (total == 0 && reader.length() > 0xffff) total = reader.length();
  if (header < 20 || total < header || total > reader.length()) return Parsed::kMalformed;
  reader.Limit(total);
  std::memcpy(headers.source, bytes + 12, 4);
  std::memcpy(headers.destination, bytes + 16, 4);
  headers.traffic_class = bytes[1];
  headers.hop_limit = bytes[8];
  headers.protocol = bytes[9];
  headers.has_ip = headers.has_fragment = headers.has_protocol = true;
  headers.more_fragments = (bytes[6] & 0x20) != 0;
  headers.fragment_offset = static_cast<uint16_t>((Word(bytes + 6) & 0x1fff) * 8);
  layout.length = reader.length();
  layout.transport = header;
  layout.original_source = 12;
  if (reader.Look(0, header) == Part::kThere) {
    layout.final_destination = FinalDestination({bytes, header});
  }
  return ParseTransport(reader, header, headers);
}

// Where the final destination of a packet with this routing header is.
size_t FinalDestination(const uint8_t* routing, size_t offset, size_t size, size_t destination) {
  enum RoutingType : uint8_t { kMobileIpV6 = 2, kSegmentRouting = 4 };
  if (routing[3] == 0) return destination;  // no segments left: the header has it by now
  // The home address (RFC 6275), and the last segment, which is listed first (RFC 8754).
  const bool known = routing[2] == kMobileIpV6 || routing[2] == kSegmentRouting;
  return known && size >= 24 ? offset + 8 : 0;
}

// Where the source of a packet with these destination options is: the home address of a mobile node
// (RFC 6275), else `source`.
size_t OriginalSource(std::span<const uint8_t> options, size_t offset, size_t source) {
  enum Option : uint8_t { kPad1 = 0, kHomeAddress = 201 };
  size_t at = 2;
  while (at + 2 <= options.size()) {
    if (options[at] == kPad1) {
      ++at;
      continue;
    }
    const size_t size = size_t{options[at + 1]} + 2;
    if (options[at] == kHomeAddress && size == 18 && at + size <= options.size()) {
      return offset + at + 2;
    }
    at += size;
  }
  return source;
}

Parsed ParseIpV6(Reader reader, PacketHeaders& headers, PacketLayout& layout) {
  switch (reader.Look(0, 40)) {
    case Part::kMissing:
      return Parsed::kMalformed;
    case Part::kCut:
      headers.cut_short = true;
      return Parsed::kPacket;
    case Part::kThere:
      break;
  }
  const uint8_t* bytes = reader.At(0);
  if (bytes[0] >> 4 != 6) return Parsed::kMalformed;
  const size_t payload = Word(bytes + 4);
  // 0 is a jumbogram (RFC 2675), or segments merged beyond 64 KiB, or no payload at all.
  if (payload != 0) {
    if (40 + payload > reader.length()) return Parsed::kMalformed;
    reader.Limit(40 + payload);
  }
  std::memcpy(headers.source, bytes + 8, 16);
  std::memcpy(headers.destination, bytes + 24, 16);
  headers.traffic_class = static_cast<uint8_t>(bytes[0] << 4 | bytes[1] >> 4);
  headers.hop_limit = bytes[7];
  headers.has_ip = true;
  uint8_t next = bytes[6];
  size_t offset = 40;
  layout.original_source = 8;
  layout.final_destination = 24;
  // Every turn consumes at least 8 bytes, so the chain ends with the packet.
  while (IsWalkedExtension(next, offset == 40) && headers.fragment_offset == 0) {
    switch (reader.Look(offset, 8)) {
      case Part::kMissing:
        return Parsed::kMalformed;
      case Part::kCut:
        headers.cut_short = true;
        return Parsed::kPacket;
      case Part::kThere:
        break;
    }
    const uint8_t* extension = reader.At(offset);
    size_t size = 8;
    if (next == kFragment) {
      headers.fragment_offset = Word(extension + 2) & 0xfff8;
      // Another fragment header may follow, so both are known only when the chain ends.
      headers.more_fragments = (extension[3] & 1) != 0;
    } else if (next == kAuthentication) {
      size = (extension[1] + size_t{2}) * 4;  // RFC 4302: in 4-byte units, less 2
    } else {
      size = (extension[1] + size_t{1}) * 8;
    }
    if (reader.Look(offset, size) == Part::kMissing) return Parsed::kMalformed;
    if (next == kRouting) {
      layout.final_destination =
          FinalDestination(extension, offset, size, layout.final_destination);
    }
    if (next == kDestinationOptions && reader.Look(offset, size) == Part::kThere) {
      layout.original_source = OriginalSource({extension, size}, offset, layout.original_source);
    }
    next = extension[0];
    offset += size;
  }
  headers.has_fragment = true;
  // In a later fragment, `next` may name an extension header that only the first fragment contains.
  // The protocol is then unknown.
  headers.has_protocol = !IsWalkedExtension(next, offset == 40);
  if (headers.has_protocol) headers.protocol = next;
  layout.length = reader.length();
  layout.transport = offset;
  return ParseTransport(reader, offset, headers);
}

}  // namespace

bool IsWalkedExtension(uint8_t next, bool first) {
  switch (next) {
    case kHopByHop:
      return first;
    case kRouting:
    case kFragment:
    case kAuthentication:
    case kDestinationOptions:
      return true;
    default:
      return false;
  }
}

Parsed ParseHeaders(v1::Family family, std::span<const uint8_t> copied, size_t original_length,
                    PacketHeaders& headers) {
  PacketLayout layout;
  return ParseHeaders(family, copied, original_length, headers, layout);
}

Parsed ParseHeaders(v1::Family family, std::span<const uint8_t> copied, size_t original_length,
                    PacketHeaders& headers, PacketLayout& layout) {
  headers = PacketHeaders{};
  layout = PacketLayout{};
  headers.family = family;
  const Reader reader(copied, std::max(original_length, copied.size()));
  switch (family) {
    case v1::FAMILY_IPV4:
      return ParseIpV4(reader, headers, layout);
    case v1::FAMILY_IPV6:
      return ParseIpV6(reader, headers, layout);
    default:
      return Parsed::kMalformed;
  }
}

void FillHeaders(const PacketHeaders& headers, v1::Headers& message) {
  message.Clear();
  if (headers.has_ip) {
    const size_t size = headers.family == v1::FAMILY_IPV6 ? 16 : 4;
    // In place: set_source would first make a temporary string.
    message.mutable_source()->assign(reinterpret_cast<const char*>(headers.source), size);
    message.mutable_destination()->assign(reinterpret_cast<const char*>(headers.destination), size);
    message.set_hop_limit(headers.hop_limit);
    message.set_traffic_class(headers.traffic_class);
  }
  if (headers.has_protocol) message.set_protocol(headers.protocol);
  if (headers.has_fragment) {
    message.set_fragment_offset(headers.fragment_offset);
    message.set_more_fragments(headers.more_fragments);
  }
  if (headers.has_ports) {
    message.set_source_port(headers.source_port);
    message.set_destination_port(headers.destination_port);
    if (headers.protocol == kTcp) message.set_tcp_flags(headers.tcp_flags);
  }
  if (headers.has_icmp) {
    message.set_icmp_type(headers.icmp_type);
    message.set_icmp_code(headers.icmp_code);
    if (headers.has_icmp_id) message.set_icmp_id(headers.icmp_id);
  }
  message.set_cut_short(headers.cut_short);
}

}  // namespace sluice
