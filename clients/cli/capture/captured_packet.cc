#include "clients/cli/capture/captured_packet.h"

namespace sluice::cli {
namespace {

enum Header : uint8_t {
  kHopByHop = 0,
  kRouting = 43,
  kFragment = 44,
  kAuthentication = 51,
  kDestinationOptions = 60,
};

uint8_t Byte(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

uint32_t Read16(std::string_view bytes, size_t at) {
  return static_cast<uint32_t>(Byte(bytes, at) << 8 | Byte(bytes, at + 1));
}

uint32_t Read32(std::string_view bytes, size_t at) {
  return Read16(bytes, at) << 16 | Read16(bytes, at + 2);
}

std::optional<IpHeaders> ReadIpV4(std::string_view bytes, size_t length) {
  if (bytes.size() < 20) return std::nullopt;
  IpHeaders headers;
  const size_t size = (Byte(bytes, 0) & 15) * size_t{4};
  headers.length = Read16(bytes, 2);
  // Linux leaves the field 0 if the length does not fit it.
  if (headers.length == 0 && length > 0xffff) headers.length = length;
  if (size < 20 || size > bytes.size() || size > headers.length || headers.length > length) {
    return std::nullopt;
  }
  headers.source = bytes.substr(12, 4);
  headers.destination = bytes.substr(16, 4);
  headers.protocol = Byte(bytes, 9);
  headers.transport = size;
  headers.fragment_offset = (Read16(bytes, 6) & 0x1fff) * size_t{8};
  headers.more_fragments = (Byte(bytes, 6) & 0x20) != 0;
  headers.fragment = headers.more_fragments || headers.fragment_offset != 0;
  headers.fragment_id = Read16(bytes, 4);
  headers.fragment_data = size;
  return headers;
}

std::optional<IpHeaders> ReadIpV6(std::string_view bytes, size_t length) {
  if (bytes.size() < 40) return std::nullopt;
  IpHeaders headers;
  headers.ipv6 = true;
  const size_t payload = Read16(bytes, 4);
  // 0 is a jumbogram (RFC 2675), or segments merged beyond 64 KiB, or no payload at all.
  headers.length = payload == 0 ? length : 40 + payload;
  if (headers.length > length) return std::nullopt;
  headers.source = bytes.substr(8, 16);
  headers.destination = bytes.substr(24, 16);
  size_t announced = 6;
  size_t at = 40;
  uint8_t next = Byte(bytes, announced);
  // Every turn takes at least 8 bytes, so the chain ends with the packet.
  while (next == kHopByHop || next == kRouting || next == kFragment || next == kAuthentication ||
         next == kDestinationOptions) {
    if (at + 8 > bytes.size()) return std::nullopt;
    size_t size = (Byte(bytes, at + 1) + size_t{1}) * 8;
    if (next == kAuthentication) size = (Byte(bytes, at + 1) + size_t{2}) * 4;
    if (next == kFragment) {
      size = 8;
      headers.fragment = true;
      headers.fragment_offset = Read16(bytes, at + 2) & 0xfff8;
      headers.more_fragments = (Byte(bytes, at + 3) & 1) != 0;
      headers.fragment_id = Read32(bytes, at + 4);
      headers.fragment_data = at + 8;
      headers.fragment_header = at;
      headers.fragment_announced = announced;
    }
    announced = at;
    at += size;
    next = Byte(bytes, announced);
    if (headers.fragment_offset != 0) break;  // Data follows, not a header.
  }
  if (at > bytes.size() || at > headers.length) return std::nullopt;
  headers.protocol = next;
  headers.transport = at;
  return headers;
}

}  // namespace

std::optional<IpHeaders> ReadIpHeaders(std::string_view bytes, size_t length) {
  if (bytes.empty()) return std::nullopt;
  switch (Byte(bytes, 0) >> 4) {
    case 4:
      return ReadIpV4(bytes, length);
    case 6:
      return ReadIpV6(bytes, length);
    default:
      return std::nullopt;
  }
}

}  // namespace sluice::cli
