#include "clients/cli/explained_packet.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "clients/cli/addresses.h"
#include "clients/cli/observe_rows.h"
#include "clients/cli/text.h"
#include "clients/cli/words.h"

namespace sluice::cli {
namespace {

constexpr uint32_t kIcmp = 1;
constexpr uint32_t kTcp = 6;
constexpr uint32_t kUdp = 17;
constexpr uint32_t kIcmpV6 = 58;
constexpr uint32_t kExperiment = 253;  // RFC 3692

constexpr std::array<const char*, 8> kFlags = {"fin", "syn", "rst", "psh",
                                               "ack", "urg", "ece", "cwr"};
// By v1::ConnectionState.
constexpr std::array<const char*, 5> kStates = {"unknown", "new", "established", "related",
                                                "invalid"};

absl::Status Wrong(const std::string& what) { return absl::InvalidArgumentError(what); }

absl::StatusOr<std::string> Address(const std::string& text) {
  absl::StatusOr<v1::Prefix> prefix = ParsePrefix(text);
  if (!prefix.ok()) return prefix.status();
  if (text.find('/') != std::string::npos) {
    return Wrong(absl::StrCat("'", text, "' is a network: a packet has one address"));
  }
  return prefix->address();
}

absl::StatusOr<uint32_t> Number(const std::string& text, uint32_t most, const std::string& what) {
  uint32_t number = 0;
  const bool digits = !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  if (!digits || !absl::SimpleAtoi(text, &number) || number > most) {
    return Wrong(absl::StrCat("'", text, "' is no ", what, ": expected a number from 0 to ", most));
  }
  return number;
}

absl::Status SetPorts(const PacketWords& words, v1::Headers& headers) {
  if (words.port.empty()) {
    return Wrong(absl::StrCat("a destination port is missing: ", words.protocol, " 443"));
  }
  const absl::StatusOr<uint32_t> port = Number(words.port, 65535, "port");
  if (!port.ok()) return port.status();
  const absl::StatusOr<uint32_t> source = Number(words.source_port, 65535, "port");
  if (!source.ok()) return source.status();
  headers.set_destination_port(*port);
  headers.set_source_port(*source);
  return absl::OkStatus();
}

absl::Status SetFlags(const std::string& words, v1::Headers& headers) {
  uint32_t flags = 0;
  if (words != "none") {
    const std::vector<std::string> names = absl::StrSplit(absl::AsciiStrToLower(words), ',');
    for (const std::string& word : names) {
      const auto found = std::find(kFlags.begin(), kFlags.end(), word);
      if (found == kFlags.end()) {
        return Wrong(absl::StrCat("'", word,
                                  "' is no TCP flag: there are fin, syn, rst, psh, ack, "
                                  "urg, ece and cwr, with commas between them, or none"));
      }
      flags |= 1u << (found - kFlags.begin());
    }
  }
  headers.set_tcp_flags(flags);
  return absl::OkStatus();
}

absl::Status SetIcmpType(const std::string& word, v1::Headers& headers) {
  const bool ipv6 = headers.source().size() == 16;
  headers.set_icmp_code(0);
  if (word == "echo" || word.empty()) {
    headers.set_icmp_type(ipv6 ? 128 : 8);
  } else if (word == "echo-reply") {
    headers.set_icmp_type(ipv6 ? 129 : 0);
  } else {
    const absl::StatusOr<uint32_t> type =
        Number(word, 255, "ICMP type (echo and echo-reply have a name here)");
    if (!type.ok()) return type.status();
    headers.set_icmp_type(*type);
  }
  return absl::OkStatus();
}

absl::Status SetTransport(const PacketWords& words, v1::Headers& headers) {
  headers.set_protocol(kExperiment);
  if (words.protocol.empty()) return absl::OkStatus();
  const std::optional<uint32_t> protocol = ParseProtocol(words.protocol);
  if (!protocol) {
    return Wrong(
        absl::StrCat("'", words.protocol,
                     "' is no protocol: expected tcp, udp, icmp, another name as `observe` "
                     "shows it, or a number"));
  }
  headers.set_protocol(*protocol);
  const bool ipv6 = headers.source().size() == 16;
  if (*protocol == kIcmp && ipv6 && words.protocol != "1") headers.set_protocol(kIcmpV6);
  switch (headers.protocol()) {
    case kTcp:
      if (absl::Status status = SetFlags(words.flags, headers); !status.ok()) return status;
      return SetPorts(words, headers);
    case kUdp:
      return SetPorts(words, headers);
    case kIcmp:
    case kIcmpV6:
      return SetIcmpType(words.port, headers);
    default:
      if (words.port.empty()) return absl::OkStatus();
      return Wrong(absl::StrCat("'", words.port, "': only tcp, udp and icmp have something here"));
  }
}

}  // namespace

absl::StatusOr<v1::Packet> ParsePacket(const PacketWords& words) {
  v1::Packet packet;
  v1::Headers& headers = *packet.mutable_headers();
  absl::StatusOr<std::string> source = Address(words.source);
  if (!source.ok()) return source.status();
  absl::StatusOr<std::string> destination = Address(words.destination);
  if (!destination.ok()) return destination.status();
  if (source->size() != destination->size()) {
    return Wrong("one address is IPv4, the other IPv6: no packet has both");
  }
  packet.set_family(source->size() == 4 ? v1::FAMILY_IPV4 : v1::FAMILY_IPV6);
  headers.set_source(*std::move(source));
  headers.set_destination(*std::move(destination));
  headers.set_hop_limit(64);
  if (absl::Status status = SetTransport(words, headers); !status.ok()) return status;
  const auto state = std::find(kStates.begin(), kStates.end(), words.state);
  if (state == kStates.end()) {
    return Wrong(absl::StrCat("'", words.state,
                              "' is no state: there are new, established, related, invalid and "
                              "unknown"));
  }
  packet.set_connection_state(static_cast<v1::ConnectionState>(state - kStates.begin()));
  packet.set_input_group(words.in_group);
  packet.set_output_group(words.out_group);
  return packet;
}

std::string DescribePacket(const v1::Packet& packet) {
  std::string text = PacketLine(packet.headers());
  const auto state = static_cast<size_t>(packet.connection_state());
  if (state < kStates.size()) absl::StrAppend(&text, ", state ", kStates[state]);
  if (!packet.input_group().empty()) {
    absl::StrAppend(&text, ", in by ", Printable(packet.input_group()));
  }
  if (!packet.output_group().empty()) {
    absl::StrAppend(&text, ", out by ", Printable(packet.output_group()));
  }
  return text;
}

}  // namespace sluice::cli
