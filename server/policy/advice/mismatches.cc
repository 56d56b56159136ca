#include "server/policy/advice/mismatches.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/policy/engine/transport_match.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {
namespace {

// Most entries of a list that are shown.
constexpr size_t kMostShown = 4;
constexpr size_t kLongestShown = 60;

std::string Shown(std::string_view text) { return OneLine(text, kLongestShown); }

// "25", "{25, 80}", "{25, 80, 81, 82 and 7 more}".
std::string List(const std::vector<Word>& words) {
  if (words.size() == 1) return Shown(words.front().text);
  std::string text;
  for (size_t i = 0; i < words.size() && i < kMostShown; ++i) {
    absl::StrAppend(&text, i == 0 ? "{" : ", ", Shown(words[i].text));
  }
  if (words.size() > kMostShown) {
    absl::StrAppend(&text, " and ", words.size() - kMostShown, " more");
  }
  return text + "}";
}

std::string ProtocolName(int protocol) {
  switch (protocol) {
    case 1:
      return "icmp";
    case 6:
      return "tcp";
    case 17:
      return "udp";
    case 58:
      return "ipv6-icmp";
    default:
      return std::to_string(protocol);
  }
}

std::string FlagNames(int flags) {
  static constexpr std::array<const char*, 8> kNames = {"fin", "syn", "rst", "psh",
                                                        "ack", "urg", "ece", "cwr"};
  std::string text;
  for (size_t bit = 0; bit < kNames.size(); ++bit) {
    if ((flags >> bit & 1) != 0) absl::StrAppend(&text, text.empty() ? "" : ",", kNames[bit]);
  }
  return text.empty() ? "none" : text;
}

std::string StateName(int state) {
  static constexpr std::array<const char*, 5> kNames = {"", "new", "established", "related",
                                                        "invalid"};
  return kNames[static_cast<size_t>(state)];
}

std::string ToText(size_t size, const AddressWords& words) {
  Address address{size, {}};
  std::memcpy(address.bytes.data(), words.data(), address.bytes.size());
  return address.ToString();
}

bool Contains(const std::vector<AddressPattern>& patterns, size_t size,
              const AddressWords& address) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const AddressPattern& pattern) {
    const AddressWords value = ToWords(pattern.value.bytes);
    const AddressWords mask = ToWords(pattern.mask);
    return pattern.value.size == size && (address[0] & mask[0]) == value[0] &&
           (address[1] & mask[1]) == value[1];
  });
}

}  // namespace

class Mismatches::Finder {
 public:
  Finder(const CheckedRule& rule, Mismatches* all)
      : rule_(rule), all_(all), packet_(all->packet_), unknown_(!rule.decision.accept) {}

  void Side(bool of_source, const ObjectSyntax& syntax) {
    const ObjectTerm& term = of_source ? rule_.source : rule_.destination;
    Look(of_source ? v1::PACKET_FACT_INPUT_GROUP : v1::PACKET_FACT_OUTPUT_GROUP);
    Group(of_source ? "input group" : "output group", syntax.group, term.group,
          of_source ? packet_.input_group : packet_.output_group);
    Look(v1::PACKET_FACT_UNSPECIFIED);
    Address(of_source, syntax.address, term.address);
    Transport(of_source, syntax.transport, term.transport,
              of_source ? packet_.source_port : packet_.destination_port);
  }

  void Conditions(const ConditionSyntax& syntax) {
    if (rule_.states) {
      Look(v1::PACKET_FACT_CONNECTION_STATE);
      looked_at_ |= Bit(fact_);
      if (packet_.state == 0) {
        NotKnown("connection state");
      } else if ((*rule_.states >> (packet_.state - 1) & 1) == 0) {
        Differs("connection state", StateName(packet_.state), syntax.state_negated,
                List(syntax.states));
      }
    }
    if (rule_.match && rule_.match->program != nullptr) {
      Look(v1::PACKET_FACT_BYTES);
      looked_at_ |= Bit(fact_);
      const std::string expression = absl::StrCat("match \"", Shown(rule_.match->expression), "\"");
      switch (rule_.match->program->Run(packet_.bytes)) {
        case BpfAnswer::kMatch:
          break;
        case BpfAnswer::kNoMatch:
          Add(absl::StrCat("the packet's bytes do not ", expression));
          break;
        case BpfAnswer::kNotKnown:
          NotKnown(absl::StrCat("what ", expression, " looks at"));
          break;
      }
    }
  }

  std::vector<std::string> Take() && { return std::move(found_); }

  FactSet HingesOn() const {
    if (found_.empty()) return looked_at_ & all_->not_told_;
    return (differs_ & ~all_->not_told_) == 0 ? differs_ : 0;
  }

 private:
  // Sets the fact that is looked at from here on.
  void Look(v1::PacketFact fact) { fact_ = fact; }

  // Adds each text once: both sides may ask for the same protocol.
  void Add(std::string text) {
    differs_ |= Bit(fact_);
    if ((all_->not_told_ & Bit(fact_)) != 0) text += "; it was not told";
    if (std::find(found_.begin(), found_.end(), text) == found_.end()) {
      found_.push_back(std::move(text));
    }
  }

  void Differs(std::string_view what, const std::string& value, bool negated,
               const std::string& wanted) {
    Add(absl::StrCat(std::string(what), " ", value, negated ? " is left out by not " : " is not ",
                     wanted));
  }

  void NotKnown(std::string_view what, const char* verb = "is") {
    if (!unknown_) {
      Add(absl::StrCat(std::string(what), " ", verb,
                       " not known, which counts against the packet"));
    }
  }

  void Group(const char* what, const GroupSyntax& syntax, const GroupTerm& term,
             std::string_view group) {
    if (term.names.empty()) return;
    looked_at_ |= Bit(fact_);
    const bool found = std::find(term.names.begin(), term.names.end(), group) != term.names.end();
    if (found != term.negated) return;
    Differs(what, group.empty() ? "(none)" : Shown(group), term.negated, List(syntax.values));
  }

  void Address(bool of_source, const AddressSyntax& syntax, const AddressTerm& term) {
    using Kind = AddressTerm::Kind;
    const char* what = of_source ? "source" : "destination";
    const AddressWords& address = of_source ? packet_.source : packet_.destination;
    if (term.kind == Kind::kAnything) return;
    if (term.kind == Kind::kNothing) {
      Add(absl::StrCat("the rule matches no ", what));
      return;
    }
    if (packet_.address_size == 0) return NotKnown(what);
    bool found = Contains(term.patterns, packet_.address_size, address);
    for (const auto& set : term.sets) found = found || all_->Has(*set, of_source);
    if (found == (term.kind == Kind::kOneOf)) return;
    std::vector<Word> words;
    for (const AddressItem& item : syntax.items) words.push_back(item.value);
    const std::string list = List(words);
    const bool several = words.size() > 1 || list.find_first_of("/@") != std::string::npos ||
                         syntax.items.front().kind != AddressItem::Kind::kBare;
    const std::string value = ToText(packet_.address_size, address);
    if (!several || term.kind == Kind::kNoneOf ||
        syntax.items.front().kind == AddressItem::Kind::kHost) {
      Differs(what, value, term.kind == Kind::kNoneOf, list);
    } else {
      Differs(what, value, false, absl::StrCat("in ", list));
    }
  }

  void Transport(bool of_source, const TransportSyntax& syntax, const TransportTerm& term,
                 int port) {
    using Kind = TransportTerm::Kind;
    const v1::PacketFact port_fact =
        of_source ? v1::PACKET_FACT_SOURCE_PORT : v1::PACKET_FACT_DESTINATION_PORT;
    if (term.kind != Kind::kAnything && term.kind != Kind::kNothing) {
      looked_at_ |= Bit(v1::PACKET_FACT_PROTOCOL);
    }
    if (term.kind == Kind::kPort) looked_at_ |= Bit(port_fact);
    if (term.kind == Kind::kIcmpType) looked_at_ |= Bit(v1::PACKET_FACT_ICMP_TYPE);
    if (term.flags) looked_at_ |= Bit(v1::PACKET_FACT_TCP_FLAGS);
    if (TransportMatches(term, packet_, port, unknown_)) return;
    if (term.kind == Kind::kNothing) return Add("the rule matches no protocol, port or type");
    Look(v1::PACKET_FACT_PROTOCOL);
    if (packet_.protocol == PacketView::kUnknown) return NotKnown("protocol");
    // First compares the protocol alone, without the rest of what the term asks for.
    TransportTerm protocol;
    protocol.kind = Kind::kProtocol;
    protocol.protocols = term.protocols;
    protocol.negated = term.kind == Kind::kProtocol && term.negated;
    std::string wanted = List(syntax.values);
    if (term.kind == Kind::kPort) protocol.protocols = {term.protocol};
    if (term.kind == Kind::kIcmp || term.kind == Kind::kIcmpType) {
      protocol.protocols = {packet_.address_size == 16 ? uint8_t{58} : uint8_t{1}};
    }
    if (syntax.kind != TransportSyntax::Kind::kProtocol) {
      wanted = ProtocolName(protocol.protocols.front());
    }
    if (!ProtocolMatches(protocol, packet_, unknown_)) {
      return Differs("protocol", ProtocolName(packet_.protocol), protocol.negated, wanted);
    }
    Look(v1::PACKET_FACT_ICMP_TYPE);
    if (term.kind == Kind::kIcmpType) return IcmpType(syntax, term);
    Look(v1::PACKET_FACT_TCP_FLAGS);
    Flags(syntax, term);
    Look(port_fact);
    if (term.kind == Kind::kPort) {
      Port(of_source ? "source port" : "destination port", syntax, term, port);
    }
  }

  void IcmpType(const TransportSyntax& syntax, const TransportTerm& term) {
    if (packet_.icmp_type == PacketView::kUnknown) return NotKnown("ICMP type");
    Differs("ICMP type", std::to_string(packet_.icmp_type), term.negated, List(syntax.values));
  }

  void Flags(const TransportSyntax& syntax, const TransportTerm& term) {
    if (!term.flags) return;
    if (packet_.tcp_flags == PacketView::kUnknown) return NotKnown("TCP flags", "are");
    if (((packet_.tcp_flags & term.flags->mask) == term.flags->set) != term.flags->negated) return;
    std::string words;
    for (const Word& word : syntax.flags) {
      absl::StrAppend(&words, words.empty() ? "" : ",", Shown(word.text));
    }
    const std::string flags = FlagNames(packet_.tcp_flags);
    Add(absl::StrCat("TCP flags ", flags,
                     term.flags->negated ? " are left out by not " : " are not ", words));
  }

  void Port(const char* port_of, const TransportSyntax& syntax, const TransportTerm& term,
            int port) {
    if (port == PacketView::kUnknown) return NotKnown(port_of);
    const bool found = std::any_of(
        term.ports.begin(), term.ports.end(),
        [port](const PortRange& range) { return port >= range.low && port <= range.high; });
    if (found == term.negated) {
      Differs(port_of, std::to_string(port), term.negated, List(syntax.values));
    }
  }

  const CheckedRule& rule_;
  Mismatches* const all_;
  const PacketView& packet_;
  const bool unknown_;  // Whether a term about something unknown matches.
  std::vector<std::string> found_;
  v1::PacketFact fact_ = v1::PACKET_FACT_UNSPECIFIED;  // The fact being looked at.
  FactSet looked_at_ = 0;
  FactSet differs_ = 0;
};

bool Mismatches::Has(const AddressSet& set, bool source) {
  const auto [entry, is_new] = sets_.emplace(std::pair(&set, source), false);
  if (is_new) {
    entry->second =
        Contains(set.patterns, packet_.address_size, source ? packet_.source : packet_.destination);
  }
  return entry->second;
}

std::vector<std::string> Mismatches::Of(const PairSyntax& pair, bool reversed,
                                        const CheckedRule& rule, FactSet* hinges_on) {
  Finder finder(rule, this);
  finder.Side(true, reversed ? pair.second : pair.first);
  finder.Side(false, reversed ? pair.first : pair.second);
  finder.Conditions(pair.condition);
  *hinges_on = finder.HingesOn();
  return std::move(finder).Take();
}

}  // namespace sluice::server::policy
