#include "server/policy/packet_names.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/policy/terms/address.h"
#include "server/policy/terms/icmp_types.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {
namespace {

constexpr uint32_t kIcmp = 1;
constexpr uint32_t kTcp = 6;
constexpr uint32_t kUdp = 17;
constexpr uint32_t kIcmpV6 = 58;

absl::Status Wrong(const absl::Status& status) {
  if (IsUnanswered(status)) return status;
  return absl::InvalidArgumentError(status.message());
}

// Addresses that one end of the packet may have: what `word` stands for or, if it is empty, the
// address in `known`.
absl::StatusOr<std::vector<std::string>> Addresses(const std::string& word,
                                                   const std::string& known, Names& names) {
  if (word.empty()) return std::vector<std::string>{known};
  std::vector<Address> found;
  if (IsLiteral(word)) {
    const absl::StatusOr<Address> address = ParseAddress(word);
    if (!address.ok()) return Wrong(address.status());
    found.push_back(*address);
  } else {
    const absl::StatusOr<std::vector<Address>> addresses = names.Host(word);
    if (!addresses.ok()) return Wrong(addresses.status());
    found = *addresses;
  }
  std::vector<std::string> addresses;
  for (const Address& address : found) {
    addresses.emplace_back(reinterpret_cast<const char*>(address.bytes.data()), address.size);
  }
  return addresses;
}

absl::Status FillInEnds(const v1::PacketNames& words, Names& names, v1::Packet* packet) {
  v1::Headers& headers = *packet->mutable_headers();
  const auto sources = Addresses(words.source(), headers.source(), names);
  if (!sources.ok()) return sources.status();
  const auto destinations = Addresses(words.destination(), headers.destination(), names);
  if (!destinations.ok()) return destinations.status();
  for (const std::string& source : *sources) {
    const auto destination =
        std::find_if(destinations->begin(), destinations->end(),
                     [&source](const std::string& d) { return d.size() == source.size(); });
    if (destination == destinations->end()) continue;
    headers.set_source(source);
    headers.set_destination(*destination);
    packet->set_family(source.size() == 16 ? v1::FAMILY_IPV6 : v1::FAMILY_IPV4);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "source and destination have no addresses of the same family: no packet has both");
}

absl::StatusOr<uint32_t> Port(const std::string& word, uint32_t protocol, Names& names) {
  const absl::StatusOr<std::optional<uint32_t>> number = ParseNumber(word, 65535);
  if (!number.ok()) return Wrong(number.status());
  if (*number) return **number;
  if (protocol != kTcp && protocol != kUdp) {
    return absl::InvalidArgumentError("only tcp and udp have names of ports");
  }
  const absl::StatusOr<uint32_t> port = names.Service(word, protocol == kTcp ? "tcp" : "udp");
  if (!port.ok()) return Wrong(port.status());
  return *port;
}

absl::Status FillInIcmpType(const std::string& word, v1::Packet* packet) {
  const absl::StatusOr<std::optional<uint32_t>> number = ParseNumber(word, 255);
  if (!number.ok()) return Wrong(number.status());
  if (*number) {
    packet->mutable_headers()->set_icmp_type(**number);
    return absl::OkStatus();
  }
  const std::optional<IcmpType> named = FindIcmpType(word);
  if (!named) {
    const std::string_view nearest = NearestIcmpType(word);
    return absl::InvalidArgumentError(absl::StrCat(
        "there is no ICMP type ", Quoted(word),
        nearest.empty() ? "" : absl::StrCat(": did you mean `", std::string(nearest), "`?")));
  }
  const bool ipv6 = packet->family() == v1::FAMILY_IPV6;
  const int type = ipv6 ? named->ipv6 : named->ipv4;
  if (type == IcmpType::kNone) {
    return absl::InvalidArgumentError(
        absl::StrCat("ICMP", ipv6 ? "v6" : "", " has no type ", Quoted(word)));
  }
  packet->mutable_headers()->set_icmp_type(static_cast<uint32_t>(type));
  return absl::OkStatus();
}

}  // namespace

absl::Status FillIn(const v1::PacketNames& words, Names& names, v1::Packet* packet) {
  // A packet given as bytes has no headers set: its bytes say what they are.
  if (words.ByteSizeLong() == 0) return absl::OkStatus();
  if (!words.source().empty() || !words.destination().empty()) {
    if (absl::Status status = FillInEnds(words, names, packet); !status.ok()) return status;
  }
  v1::Headers& headers = *packet->mutable_headers();
  if (words.protocol() == "icmp") {
    headers.set_protocol(packet->family() == v1::FAMILY_IPV6 ? kIcmpV6 : kIcmp);
  } else if (!words.protocol().empty()) {
    const absl::StatusOr<uint32_t> protocol = names.Protocol(words.protocol());
    if (!protocol.ok()) return Wrong(protocol.status());
    headers.set_protocol(*protocol);
  }
  if (!words.source_port().empty()) {
    const absl::StatusOr<uint32_t> port = Port(words.source_port(), headers.protocol(), names);
    if (!port.ok()) return port.status();
    headers.set_source_port(*port);
  }
  if (!words.destination_port().empty()) {
    const absl::StatusOr<uint32_t> port = Port(words.destination_port(), headers.protocol(), names);
    if (!port.ok()) return port.status();
    headers.set_destination_port(*port);
  }
  return words.icmp_type().empty() ? absl::OkStatus() : FillInIcmpType(words.icmp_type(), packet);
}

}  // namespace sluice::server::policy
