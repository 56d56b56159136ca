#pragma once

#include <linux/netlink.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "proto/text/text.h"

namespace sluice::agent {

using Bytes = std::span<const uint8_t>;

// Reads untrusted netlink attributes. Whatever the bytes, none are read beyond their end. A value
// of the wrong length counts as absent. Pure functions.

// Calls `each(type, payload)` for every attribute, up to the first that does not fit.
template <typename Each>
void ForEachAttribute(Bytes attributes, Each each) {
  nlattr header;
  while (attributes.size() >= sizeof header) {
    std::memcpy(&header, attributes.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > attributes.size()) return;
    each(static_cast<uint16_t>(header.nla_type & NLA_TYPE_MASK),
         attributes.subspan(sizeof header, header.nla_len - sizeof header));
    attributes = attributes.subspan(
        std::min(static_cast<size_t>(NLA_ALIGN(header.nla_len)), attributes.size()));
  }
}

// Hands the number in `payload` (network byte order) to `set` if it has the size of Number.
template <typename Number, typename Set>
void ReadNumber(Bytes payload, Set set) {
  if (payload.size() != sizeof(Number)) return;
  uint64_t value = 0;
  for (const uint8_t byte : payload) value = value << 8 | byte;
  set(static_cast<Number>(value));
}

// The text in `payload`, up to its terminating zero if there is one. It is escaped (EscapeName),
// because protobuf strings must be UTF-8 and the kernel's can be any bytes.
inline std::string ReadText(Bytes payload) {
  return EscapeName(std::string(payload.begin(), std::find(payload.begin(), payload.end(), 0)));
}

inline std::string ReadBytes(Bytes payload) { return std::string(payload.begin(), payload.end()); }

}  // namespace sluice::agent
