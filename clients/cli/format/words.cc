#include "clients/cli/format/words.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/strip.h>
#include <google/protobuf/descriptor.h>

#include <iterator>
#include <utility>

namespace sluice::cli {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;

// The IANA protocol numbers that gateways see; not every machine has /etc/protocols.
constexpr std::pair<uint32_t, const char*> kProtocols[] = {
    {1, "icmp"},  {2, "igmp"},   {4, "ipip"},   {6, "tcp"},       {17, "udp"},    {33, "dccp"},
    {41, "ipv6"}, {47, "gre"},   {50, "esp"},   {51, "ah"},       {58, "icmpv6"}, {89, "ospf"},
    {103, "pim"}, {112, "vrrp"}, {132, "sctp"}, {136, "udplite"},
};

// nf_conntrack_tcp.h, from 0.
constexpr const char* kTcpStates[] = {"NONE",     "SYN_SENT",   "SYN_RECV", "ESTABLISHED",
                                      "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT",
                                      "CLOSE",    "SYN_SENT2"};

constexpr const char* kTcpFlags[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};

std::string Word(const EnumValueDescriptor& value, std::string_view prefix) {
  return absl::AsciiStrToLower(
      absl::StripPrefix(value.name(), absl::string_view(prefix.data(), prefix.size())));
}

std::string Word(const EnumDescriptor* type, int number, std::string_view prefix) {
  const EnumValueDescriptor* value = type->FindValueByNumber(number);
  return value ? Word(*value, prefix) : std::to_string(number);
}

// All but number 0, which is UNSPECIFIED.
std::vector<std::string> Words(const EnumDescriptor* type, std::string_view prefix) {
  std::vector<std::string> words;
  for (int i = 0; i < type->value_count(); ++i) {
    if (type->value(i)->number() != 0) words.push_back(Word(*type->value(i), prefix));
  }
  return words;
}

std::string Normal(std::string_view word) {
  return absl::StrReplaceAll(absl::AsciiStrToLower({word.data(), word.size()}), {{"-", "_"}});
}

template <typename Enum>
std::optional<Enum> Parse(const EnumDescriptor* type, std::string_view word,
                          std::string_view prefix) {
  const std::string normal = Normal(word);
  for (int i = 0; i < type->value_count(); ++i) {
    const EnumValueDescriptor& value = *type->value(i);
    if (value.number() != 0 && Word(value, prefix) == normal) {
      return static_cast<Enum>(value.number());
    }
  }
  return std::nullopt;
}

}  // namespace

std::string ModeWord(v1::Mode mode) { return Word(v1::Mode_descriptor(), mode, "MODE_"); }
std::string ActionWord(v1::Action action) {
  return Word(v1::Action_descriptor(), action, "ACTION_");
}
std::string CauseWord(v1::Cause cause) { return Word(v1::Cause_descriptor(), cause, "CAUSE_"); }
std::string NotifyWord(v1::Notify notify) {
  return Word(v1::Notify_descriptor(), notify, "NOTIFY_");
}
std::string ScopeWord(v1::Scope scope) { return Word(v1::Scope_descriptor(), scope, "SCOPE_"); }
std::string EventTypeWord(v1::EventType type) {
  return Word(v1::EventType_descriptor(), type, "EVENT_TYPE_");
}
std::string GapCauseWord(v1::GapCause cause) {
  return Word(v1::GapCause_descriptor(), cause, "GAP_CAUSE_");
}

std::string TcpStateWord(uint32_t state) {
  return state < std::size(kTcpStates) ? kTcpStates[state] : std::to_string(state);
}

std::string ProtocolWord(uint32_t protocol) {
  for (const auto& [number, name] : kProtocols) {
    if (number == protocol) return name;
  }
  return std::to_string(protocol);
}

std::string TcpFlagsWord(uint32_t flags) {
  std::vector<const char*> set;
  for (size_t bit = 0; bit < std::size(kTcpFlags); ++bit) {
    if (flags & (1u << bit)) set.push_back(kTcpFlags[bit]);
  }
  return absl::StrJoin(set, ",");
}

std::string StateWord(v1::ConnectionState state) {
  if (state == v1::CONNECTION_STATE_UNSPECIFIED) return "unknown";
  return Word(v1::ConnectionState_descriptor(), state, "CONNECTION_STATE_");
}

std::vector<std::string> ModeWords() { return Words(v1::Mode_descriptor(), "MODE_"); }
std::vector<std::string> CauseWords() { return Words(v1::Cause_descriptor(), "CAUSE_"); }
std::vector<std::string> EventTypeWords() {
  return Words(v1::EventType_descriptor(), "EVENT_TYPE_");
}
std::vector<std::string> StateWords() {
  std::vector<std::string> words = Words(v1::ConnectionState_descriptor(), "CONNECTION_STATE_");
  words.emplace_back("unknown");
  return words;
}
std::vector<std::string> ActionWords() { return {"accept", "drop"}; }

std::vector<std::string> ProtocolWords() {
  std::vector<std::string> words;
  for (const auto& [number, name] : kProtocols) words.emplace_back(name);
  return words;
}

std::optional<v1::Mode> ParseMode(std::string_view word) {
  return Parse<v1::Mode>(v1::Mode_descriptor(), word, "MODE_");
}

std::optional<v1::Action> ParseAction(std::string_view word) {
  if (Normal(word) == "accept") return v1::ACTION_ACCEPT;
  if (Normal(word) == "drop" || Normal(word) == "reject") return v1::ACTION_DROP;
  return std::nullopt;
}

std::optional<v1::Notify> ParseNotify(std::string_view word) {
  return Parse<v1::Notify>(v1::Notify_descriptor(), word, "NOTIFY_");
}

std::optional<v1::Cause> ParseCause(std::string_view word) {
  return Parse<v1::Cause>(v1::Cause_descriptor(), word, "CAUSE_");
}

std::optional<v1::EventType> ParseEventType(std::string_view word) {
  return Parse<v1::EventType>(v1::EventType_descriptor(), word, "EVENT_TYPE_");
}

std::optional<v1::ConnectionState> ParseState(std::string_view word) {
  if (Normal(word) == "unknown") return v1::CONNECTION_STATE_UNSPECIFIED;
  return Parse<v1::ConnectionState>(v1::ConnectionState_descriptor(), word, "CONNECTION_STATE_");
}

std::optional<uint32_t> ParseProtocol(std::string_view word) {
  const std::string normal = absl::AsciiStrToLower({word.data(), word.size()});
  for (const auto& [number, name] : kProtocols) {
    if (normal == name) return number;
  }
  uint32_t number;
  if (normal.empty() || normal.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(normal, &number) || number > 255) {
    return std::nullopt;
  }
  return number;
}

}  // namespace sluice::cli
