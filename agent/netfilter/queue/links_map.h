#pragma once

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"

struct nlmsghdr;

namespace sluice::agent {

// A network interface.
struct Link {
  std::string name;    // Escaped (EscapeName): the kernel takes nearly any bytes.
  uint16_t type = 0;   // ARPHRD_*, linux/if_arp.h.
  uint32_t group = 0;  // `ip link set NAME group NUMBER`.

  bool operator==(const Link&) const = default;
};

using LinkMap = absl::flat_hash_map<uint32_t, Link>;  // By interface index.

// Applies an RTM_NEWLINK or RTM_DELLINK message to `links`; ignores other messages. Total.
void ApplyLinkMessage(const nlmsghdr* message, LinkMap& links);

}  // namespace sluice::agent
