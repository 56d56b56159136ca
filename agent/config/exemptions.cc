#include "agent/config/exemptions.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "agent/config/scalars.h"

namespace sluice::agent {
namespace {

constexpr int kIcmpv6 = 58;

std::string Refused(const std::string& value, std::string_view allowed) {
  return absl::StrCat("`", value.substr(0, 60), "` is not allowed, allowed is ",
                      absl::string_view(allowed.data(), allowed.size()));
}

// A network within ::ffff:0:0/96 stands for IPv4, which it is on the wire (RFC 4291).
IpNetwork Unmapped(const IpNetwork& network) {
  in6_addr address;
  std::memcpy(&address, network.address.data(), sizeof address);
  if (!network.ipv6 || network.prefix_length <= 96 || !IN6_IS_ADDR_V4MAPPED(&address)) {
    return network;
  }
  IpNetwork unmapped;
  std::copy_n(network.address.begin() + 12, 4, unmapped.address.begin());
  unmapped.prefix_length = static_cast<uint8_t>(network.prefix_length - 96);
  return unmapped;
}

bool HasBitsBeyondPrefix(const IpNetwork& network) {
  for (size_t bit = network.prefix_length; bit < network.address.size() * 8; ++bit) {
    if (network.address[bit / 8] & (0x80 >> bit % 8)) return true;
  }
  return false;
}

std::optional<IpNetwork> ParseNetwork(const std::string& text) {
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  IpNetwork network;
  if (inet_pton(AF_INET, address.c_str(), network.address.data()) == 1) {
    network.prefix_length = 32;
  } else if (inet_pton(AF_INET6, address.c_str(), network.address.data()) == 1) {
    network.ipv6 = true;
    network.prefix_length = 128;
  } else {
    return std::nullopt;
  }
  if (slash == std::string::npos) return Unmapped(network);
  const std::string_view length = std::string_view(text).substr(slash + 1);
  const auto bits = length.starts_with("0x") ? std::nullopt : ParseNumber(length);
  if (!bits || *bits > network.prefix_length) return std::nullopt;
  network.prefix_length = static_cast<uint8_t>(*bits);
  if (HasBitsBeyondPrefix(network)) return std::nullopt;
  return Unmapped(network);
}

std::optional<uint8_t> ParseProtocol(const std::string& text) {
  if (text == "tcp") return IPPROTO_TCP;
  if (text == "udp") return IPPROTO_UDP;
  if (text == "icmp") return IPPROTO_ICMP;
  if (text == "icmpv6") return kIcmpv6;
  const auto number = ParseNumber(text);
  if (!number || *number < 1 || *number > 255) return std::nullopt;
  return static_cast<uint8_t>(*number);
}

}  // namespace

std::optional<ExemptFlow> ReadExemption(
    const Exemption& exemption,
    const std::function<void(std::string_view key, std::string text)>& refuse) {
  bool good = true;
  const auto require = [&](bool met, std::string_view key, const std::string& text) {
    if (!met) refuse(key, text);
    good = good && met;
  };
  constexpr char kNetworks[] =
      "an address or a network with no bits set beyond its length, as in 192.0.2.0/24";
  ExemptFlow flow;
  if (!exemption.source().empty()) {
    flow.source = ParseNetwork(exemption.source());
    require(flow.source.has_value(), "source", Refused(exemption.source(), kNetworks));
  }
  if (!exemption.destination().empty()) {
    flow.destination = ParseNetwork(exemption.destination());
    require(flow.destination.has_value(), "destination",
            Refused(exemption.destination(), kNetworks));
  }
  if (!exemption.protocol().empty()) {
    const auto protocol = ParseProtocol(exemption.protocol());
    require(protocol.has_value(), "protocol",
            Refused(exemption.protocol(), "tcp, udp, icmp, icmpv6 or a number from 1 to 255"));
    flow.protocol = protocol.value_or(0);
  }
  flow.port = static_cast<uint16_t>(exemption.port());
  if (!good) return std::nullopt;

  require(flow != ExemptFlow{}, "", "is empty, which would exempt everything; use mode off");
  require(flow.port == 0 || flow.protocol == IPPROTO_TCP || flow.protocol == IPPROTO_UDP, "port",
          "is not possible without protocol: tcp or udp");
  const auto family = [&](const std::optional<IpNetwork>& network, bool ipv6) {
    return network && network->ipv6 == ipv6;
  };
  const bool ipv4 = family(flow.source, false) || family(flow.destination, false);
  const bool ipv6 = family(flow.source, true) || family(flow.destination, true);
  require(!ipv4 || !ipv6, "destination", "is of another IP version than source");
  require(!(ipv6 && flow.protocol == IPPROTO_ICMP) && !(ipv4 && flow.protocol == kIcmpv6),
          "protocol", "does not go with addresses of that IP version");
  if (!good) return std::nullopt;
  return flow;
}

}  // namespace sluice::agent
