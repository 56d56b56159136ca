#include "clients/cli/policy/explained_packet.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
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

#include "clients/cli/format/addresses.h"
#include "clients/cli/format/observe_rows.h"
#include "clients/cli/format/text.h"
#include "clients/cli/format/words.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

constexpr uint32_t kSyn = 2;
constexpr uint32_t kIcmp = 1;
constexpr uint32_t kTcp = 6;
constexpr uint32_t kUdp = 17;
constexpr uint32_t kIcmpV6 = 58;
constexpr uint32_t kExperiment = 253;  // RFC 3692
constexpr uint32_t kSomePort = 49152;  // The first port that IANA leaves to clients.

constexpr std::array<const char*, 8> kFlags = {"fin", "syn", "rst", "psh",
                                               "ack", "urg", "ece", "cwr"};

absl::Status Wrong(const std::string& what) { return absl::InvalidArgumentError(what); }

// Whether the word looks like an address. Any other word is the name of a host.
bool IsMeantAsAddress(const std::string& word) {
  return word.empty() || word.find_first_of(":/") != std::string::npos ||
         word.find_first_not_of("0123456789.") == std::string::npos;
}

// The address, or nothing for a name.
absl::StatusOr<std::string> Address(const std::string& text) {
  if (!IsMeantAsAddress(text)) return std::string();
  absl::StatusOr<v1::Prefix> prefix = ParsePrefix(text);
  if (!prefix.ok()) return prefix.status();
  if (text.find('/') != std::string::npos) {
    return Wrong(absl::StrCat("'", text, "' is a network: a packet has one address"));
  }
  return prefix->address();
}

// Whether the word is a number and not a name.
bool IsMeantAsNumber(const std::string& word) {
  return !word.empty() &&
         (absl::ascii_isdigit(static_cast<unsigned char>(word[0])) || word[0] == '-') &&
         !absl::StartsWith(word, "0x") && !absl::StartsWith(word, "0X");
}

absl::StatusOr<uint32_t> Number(const std::string& text, uint32_t most, const std::string& what) {
  uint32_t number = 0;
  const bool digits = !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  if (!digits || !absl::SimpleAtoi(text, &number) || number > most) {
    return Wrong(
        absl::StrCat("'", text, "' is not a valid ", what, ": expected a number from 0 to ", most));
  }
  return number;
}

absl::Status SetPorts(const PacketWords& words, v1::ExplainPolicyRequest& request) {
  v1::Headers& headers = *request.mutable_packet()->mutable_headers();
  if (words.port.empty()) {
    return Wrong(absl::StrCat("a destination port is missing: ", words.protocol, " 443"));
  }
  if (IsMeantAsNumber(words.port)) {
    const absl::StatusOr<uint32_t> port = Number(words.port, 65535, "port");
    if (!port.ok()) return port.status();
    headers.set_destination_port(*port);
  } else {
    request.mutable_names()->set_destination_port(words.port);
  }
  if (words.source_port.empty()) {
    headers.set_source_port(kSomePort);
    request.add_not_told(v1::PACKET_FACT_SOURCE_PORT);
  } else if (IsMeantAsNumber(words.source_port)) {
    const absl::StatusOr<uint32_t> port = Number(words.source_port, 65535, "port");
    if (!port.ok()) return port.status();
    headers.set_source_port(*port);
  } else {
    request.mutable_names()->set_source_port(words.source_port);
  }
  return absl::OkStatus();
}

absl::Status SetFlags(const std::string& words, v1::ExplainPolicyRequest& request) {
  v1::Headers& headers = *request.mutable_packet()->mutable_headers();
  if (words.empty()) {
    headers.set_tcp_flags(kSyn);
    request.add_not_told(v1::PACKET_FACT_TCP_FLAGS);
    return absl::OkStatus();
  }
  uint32_t flags = 0;
  if (words != "none") {
    const std::vector<std::string> names = absl::StrSplit(absl::AsciiStrToLower(words), ',');
    for (const std::string& word : names) {
      const auto found = std::find(kFlags.begin(), kFlags.end(), word);
      if (found == kFlags.end()) {
        return Wrong(absl::StrCat("'", word,
                                  "' is not a TCP flag: there are fin, syn, rst, psh, ack, "
                                  "urg, ece and cwr, with commas between them, or none"));
      }
      flags |= 1u << (found - kFlags.begin());
    }
  }
  headers.set_tcp_flags(flags);
  return absl::OkStatus();
}

absl::Status SetIcmpType(const std::string& word, v1::ExplainPolicyRequest& request) {
  v1::Headers& headers = *request.mutable_packet()->mutable_headers();
  headers.set_icmp_code(0);
  if (IsMeantAsNumber(word)) {
    const absl::StatusOr<uint32_t> type = Number(word, 255, "ICMP type");
    if (!type.ok()) return type.status();
    headers.set_icmp_type(*type);
    return absl::OkStatus();
  }
  if (word.empty()) request.add_not_told(v1::PACKET_FACT_ICMP_TYPE);
  request.mutable_names()->set_icmp_type(word.empty() ? "echo" : word);
  return absl::OkStatus();
}

absl::Status SetTransport(const PacketWords& words, v1::ExplainPolicyRequest& request) {
  v1::Headers& headers = *request.mutable_packet()->mutable_headers();
  headers.set_protocol(kExperiment);
  if (words.protocol.empty()) {
    request.add_not_told(v1::PACKET_FACT_PROTOCOL);
    return absl::OkStatus();
  }
  const std::optional<uint32_t> protocol = ParseProtocol(words.protocol);
  if (!protocol) {
    if (IsMeantAsNumber(words.protocol)) {
      return Wrong(
          absl::StrCat("'", words.protocol, "' is not a protocol: expected a name or a number"));
    }
    request.mutable_names()->set_protocol(words.protocol);
  } else {
    headers.set_protocol(*protocol);
  }
  if (protocol == kIcmp && words.protocol != "1") {
    // It means ICMPv6 in IPv6. Only the server knows the family where an address is a name.
    request.mutable_names()->set_protocol("icmp");
  }
  switch (headers.protocol()) {
    case kTcp:
      if (absl::Status status = SetFlags(words.flags, request); !status.ok()) return status;
      return SetPorts(words, request);
    case kUdp:
      return SetPorts(words, request);
    case kIcmp:
    case kIcmpV6:
      return SetIcmpType(words.port, request);
    default:
      if (words.port.empty()) return absl::OkStatus();
      return Wrong(
          absl::StrCat("'", words.port, "': only tcp and udp have a port, and icmp a type"));
  }
}

absl::Status SetState(const std::string& word, v1::ExplainPolicyRequest& request) {
  if (word.empty()) {
    request.mutable_packet()->set_connection_state(v1::CONNECTION_STATE_NEW);
    request.add_not_told(v1::PACKET_FACT_CONNECTION_STATE);
    return absl::OkStatus();
  }
  const std::optional<v1::ConnectionState> state = ParseState(word);
  if (!state) {
    return Wrong(absl::StrCat("'", word,
                              "' is not a state: there are new, established, related, invalid "
                              "and unknown"));
  }
  request.mutable_packet()->set_connection_state(*state);
  return absl::OkStatus();
}

void SetGroups(const PacketWords& words, v1::ExplainPolicyRequest& request) {
  request.mutable_packet()->set_input_group(words.in_group.value_or(""));
  request.mutable_packet()->set_output_group(words.out_group.value_or(""));
  if (!words.in_group) request.add_not_told(v1::PACKET_FACT_INPUT_GROUP);
  if (!words.out_group) request.add_not_told(v1::PACKET_FACT_OUTPUT_GROUP);
}

const char* FactName(v1::PacketFact fact) {
  switch (fact) {
    case v1::PACKET_FACT_INPUT_GROUP:
      return "input group (--in-group)";
    case v1::PACKET_FACT_OUTPUT_GROUP:
      return "output group (--out-group)";
    case v1::PACKET_FACT_PROTOCOL:
      return "protocol (PROTO)";
    case v1::PACKET_FACT_SOURCE_PORT:
      return "source port (--src-port)";
    case v1::PACKET_FACT_DESTINATION_PORT:
      return "destination port (PORT)";
    case v1::PACKET_FACT_TCP_FLAGS:
      return "TCP flags (--flags)";
    case v1::PACKET_FACT_ICMP_TYPE:
      return "ICMP type (PORT)";
    case v1::PACKET_FACT_CONNECTION_STATE:
      return "connection state (--state)";
    case v1::PACKET_FACT_BYTES:
      return "bytes of the packet (see policy test)";
    default:
      return "something that sluicectl does not know";
  }
}

}  // namespace

absl::StatusOr<v1::ExplainPolicyRequest> ParsePacket(const PacketWords& words) {
  v1::ExplainPolicyRequest request;
  v1::Packet& packet = *request.mutable_packet();
  v1::Headers& headers = *packet.mutable_headers();
  absl::StatusOr<std::string> source = Address(words.source);
  if (!source.ok()) return source.status();
  absl::StatusOr<std::string> destination = Address(words.destination);
  if (!destination.ok()) return destination.status();
  if (source->empty()) request.mutable_names()->set_source(words.source);
  if (destination->empty()) request.mutable_names()->set_destination(words.destination);
  const bool known = !source->empty() && !destination->empty();
  if (known && source->size() != destination->size()) {
    return Wrong("one address is IPv4, the other IPv6: no packet has both");
  }
  if (known) packet.set_family(source->size() == 4 ? v1::FAMILY_IPV4 : v1::FAMILY_IPV6);
  headers.set_source(*std::move(source));
  headers.set_destination(*std::move(destination));
  headers.set_hop_limit(64);
  if (absl::Status status = SetTransport(words, request); !status.ok()) return status;
  if (absl::Status status = SetState(words.state, request); !status.ok()) return status;
  SetGroups(words, request);
  request.add_not_told(v1::PACKET_FACT_BYTES);
  return request;
}

std::string DescribeFacts(const std::vector<v1::PacketFact>& facts) {
  std::string text;
  for (const v1::PacketFact fact : facts) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", FactName(fact));
  }
  return text;
}

std::string DescribePacket(const v1::Packet& packet) {
  std::string text = PacketLine(packet.headers());
  absl::StrAppend(&text, ", state ", StateWord(packet.connection_state()));
  if (!packet.input_group().empty()) {
    absl::StrAppend(&text, ", in by ", OneLine(packet.input_group()));
  }
  if (!packet.output_group().empty()) {
    absl::StrAppend(&text, ", out by ", OneLine(packet.output_group()));
  }
  return text;
}

}  // namespace sluice::cli
