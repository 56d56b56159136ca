#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::cli {

// What following fragments and connections needs of a captured packet's network headers, read as
// Linux's connection tracking reads them. Views are of the packet.
struct IpHeaders {
  bool ipv6 = false;
  std::string_view source;
  std::string_view destination;
  uint8_t protocol = 0;  // Behind IPv6's extension headers, authentication among them.
  size_t transport = 0;  // Where its header begins; of a later fragment, its data.
  size_t length = 0;     // The whole packet's as its header has it, without padding.

  // It is a fragment, if one without others around it (RFC 6946).
  bool fragment = false;
  bool more_fragments = false;
  size_t fragment_offset = 0;  // Bytes into the data of the datagram.
  uint32_t fragment_id = 0;
  size_t fragment_data = 0;  // Where its part of the data begins.
  // IPv6: where its fragment header is, and the byte that announces it.
  size_t fragment_header = 0;
  size_t fragment_announced = 0;
};

// None where the packet ends, or was cut off, before its transport header begins, and where its
// lengths make no sense. `length` is that of the whole packet, or the most a packet can have where
// it is not known. Total: any bytes give an answer.
std::optional<IpHeaders> ReadIpHeaders(std::string_view bytes, size_t length);

}  // namespace sluice::cli
