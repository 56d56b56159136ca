#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::server::policy {

// The type a name stands for in each family; kNone where the family has no such message.
struct IcmpType {
  static constexpr int kNone = -1;

  int16_t ipv4 = kNone;
  int16_t ipv6 = kNone;

  auto operator<=>(const IcmpType&) const = default;
};

// Finds `echo`, `unreachable` … Hyphens and capitals in the name do not matter.
std::optional<IcmpType> FindIcmpType(std::string_view name);

// The known name nearest to a misspelt one; empty if none is near.
std::string_view NearestIcmpType(std::string_view name);

// screend's infotype: requests and replies, not error reports. In IPv4 echo, timestamp, information
// and address mask; in IPv6, which has only echo of these, echo request and reply.
constexpr bool IsInfoType(bool ipv6, int type) {
  if (ipv6) return type == 128 || type == 129;
  return type == 0 || type == 8 || (type >= 13 && type <= 18);
}

}  // namespace sluice::server::policy
