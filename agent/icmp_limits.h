#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::agent {

// Counts the ICMP and ICMPv6 errors that the kernel kept back because of its rate limits
// (net.ipv4.icmp_ratelimit and icmp_msgs_per_sec, net.ipv6.icmp.ratelimit), in the whole network
// namespace, since this was made. A value; any thread.
class IcmpLimits final {
 public:
  IcmpLimits();

  // Reads two small files of /proc/net. Nothing where the kernel does not count, before Linux 6.0.
  std::optional<uint64_t> Read() const;

 private:
  const std::optional<uint64_t> before_;
};

// The sum of these errors in the texts of /proc/net/snmp and /proc/net/snmp6; nothing if neither
// counts them. Total: any text will do.
std::optional<uint64_t> KeptBackIn(std::string_view snmp, std::string_view snmp6);

}  // namespace sluice::agent
