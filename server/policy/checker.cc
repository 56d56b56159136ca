#include "server/policy/checker.h"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/policy/lookup.h"

namespace sluice::server::policy {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

std::string Dotted(uint32_t address) { return Address::IpV4(address).ToString(); }

// The functions that read a word report what is wrong with it and then give nothing.
class Checker {
 public:
  Checker(Names* names, Problems* problems) : lookup_(names), problems_(problems) {}

  CheckedPolicy Run(const Syntax& syntax) {
    // A statement that was not understood may have been the mask a subnet needs.
    const bool masks_complete = problems_->empty();
    for (const MaskSyntax& mask : syntax.masks) {
      if (problems_->full()) break;
      Declare(mask);
    }
    masks_complete_ = masks_complete && problems_->empty();

    CheckedPolicy policy;
    policy.fallback = Read(syntax.fallback);
    policy.rules.reserve(syntax.pairs.size());
    for (const PairSyntax& pair : syntax.pairs) {
      if (problems_->full()) break;
      CheckedRule rule{Read(pair.first), Read(pair.second), Read(pair.decision), pair.place.line};
      addresses_ +=
          (rule.source.address.patterns.size() + rule.destination.address.patterns.size()) *
          (pair.between ? 2 : 1);
      if (addresses_ > kMostAddresses) {
        problems_->Add(pair.place,
                       absl::StrCat("too many addresses: the rules of a policy have at most ",
                                    kMostAddresses, ", those of names counted"));
        break;
      }
      if (!pair.between) {
        policy.rules.push_back(std::move(rule));
        continue;
      }
      CheckedRule reversed{rule.destination, rule.source, rule.decision, rule.line};
      policy.rules.push_back(std::move(rule));
      policy.rules.push_back(std::move(reversed));
    }
    return policy;
  }

 private:
  void Report(const Word& word, std::string message) {
    problems_->Add(word.place, std::move(message));
  }

  std::nullopt_t Report(const Word& word, const absl::Status& status) {
    Report(word, std::string(status.message()));
    return std::nullopt;
  }

  static Decision Read(const DecisionSyntax& syntax) {
    return {syntax.accept, syntax.notify && !syntax.accept, syntax.log};
  }

  ObjectTerm Read(const ObjectSyntax& syntax) {
    return {Read(syntax.address), Read(syntax.transport)};
  }

  AddressTerm Read(const AddressSyntax& syntax) {
    using Kind = AddressTerm::Kind;
    if (syntax.kind == AddressSyntax::Kind::kAny || syntax.value.text == "any") {
      return {syntax.negated ? Kind::kNothing : Kind::kAnything, {}};
    }
    AddressTerm term{syntax.negated ? Kind::kNoneOf : Kind::kOneOf, {}};
    std::optional<AddressPattern> pattern;
    switch (syntax.kind) {
      case AddressSyntax::Kind::kHost:
        term.patterns = Host(syntax.value);
        return term;
      case AddressSyntax::Kind::kNet:
        pattern = Net(syntax.value);
        break;
      case AddressSyntax::Kind::kSubnet:
        pattern = Subnet(syntax.value);
        break;
      default:
        pattern = Bare(syntax.value);
        break;
    }
    if (pattern) term.patterns.push_back(*pattern);
    return term;
  }

  std::vector<AddressPattern> Host(const Word& word) {
    std::vector<AddressPattern> patterns;
    if (word.text.find('/') != std::string_view::npos) {
      Report(word, absl::StrCat(Quoted(word.text), " is a network: write `net` for `host`"));
    } else if (IsLiteral(word.text)) {
      const auto address = ParseAddress(word.text);
      if (address.ok()) {
        patterns.push_back(AddressPattern::Exactly(*address));
      } else {
        Report(word, address.status());
      }
    } else {
      const auto& addresses = lookup_.Host(word.text);
      if (!addresses.ok()) {
        Report(word, addresses.status());
        return patterns;
      }
      for (const Address& address : *addresses) {
        patterns.push_back(AddressPattern::Exactly(address));
      }
    }
    return patterns;
  }

  std::optional<AddressPattern> Bare(const Word& word) {
    if (word.text.find('/') != std::string_view::npos) return Prefix(word);
    if (!IsLiteral(word.text)) {
      Report(word, absl::StrCat(Quoted(word.text),
                                " is not an address: write `host` before the name of a host"));
      return std::nullopt;
    }
    const auto address = ParseAddress(word.text);
    if (!address.ok()) return Report(word, address.status());
    return AddressPattern::Exactly(*address);
  }

  std::optional<AddressPattern> Prefix(const Word& word) {
    const auto pattern = ParsePrefix(word.text);
    if (!pattern.ok()) return Report(word, pattern.status());
    return *pattern;
  }

  std::optional<AddressPattern> Net(const Word& word) {
    if (word.text.find('/') != std::string_view::npos) return Prefix(word);
    const std::optional<uint32_t> network = Network(word);
    if (!network) return std::nullopt;
    return AddressPattern::Masked(*network, ClassMask(*network));
  }

  // The number of a classful network, as `net` and `for` take it.
  std::optional<uint32_t> Network(const Word& word) {
    const std::optional<uint32_t> number = IpV4(word, "a network needs its prefix length");
    if (!number) return std::nullopt;
    const uint32_t mask = ClassMask(*number);
    if (mask == 0) {
      Report(word, absl::StrCat(Quoted(word.text),
                                " is in no network of class A, B or C: write ADDRESS/LENGTH"));
      return std::nullopt;
    }
    if ((*number & ~mask) != 0) {
      Report(word,
             absl::StrCat(Quoted(word.text), " is not the number of a network: it is part of ",
                          Dotted(*number & mask), "; write ADDRESS/LENGTH for a part"));
      return std::nullopt;
    }
    return number;
  }

  // An IPv4 number, written out or as a network's name.
  std::optional<uint32_t> IpV4(const Word& word, std::string_view ipv6_hint) {
    if (!IsLiteral(word.text)) {
      const auto& number = lookup_.Network(word.text);
      if (!number.ok()) return Report(word, number.status());
      return *number;
    }
    const auto address = ParseAddress(word.text);
    if (!address.ok()) return Report(word, address.status());
    if (address->size == 4) return address->ipv4();
    Report(word, absl::StrCat(Quoted(word.text), " is an IPv6 address: ", std::string(ipv6_hint)));
    return std::nullopt;
  }

  std::optional<AddressPattern> Subnet(const Word& word) {
    if (word.text.find('/') != std::string_view::npos) {
      Report(word,
             absl::StrCat(Quoted(word.text), " has a prefix length: write `net` for `subnet`"));
      return std::nullopt;
    }
    const auto number = IpV4(word, "`subnet` is for IPv4; write `net ADDRESS/LENGTH`");
    if (!number) return std::nullopt;
    const uint32_t network = *number & ClassMask(*number);
    const auto mask = masks_.find(network);
    if (ClassMask(*number) == 0 || mask == masks_.end()) {
      if (masks_complete_) {
        Report(word, absl::StrCat("no mask is declared for ", Dotted(network), ", the network of ",
                                  Quoted(word.text), ": write `for ", Dotted(network),
                                  " netmask is MASK;`"));
      }
      return std::nullopt;
    }
    if ((*number & ~mask->second) != 0) {
      Report(word,
             absl::StrCat(Quoted(word.text), " has bits set beside the mask ", Dotted(mask->second),
                          ": did you mean `", Dotted(*number & mask->second), "`?"));
      return std::nullopt;
    }
    return AddressPattern::Masked(*number, mask->second);
  }

  void Declare(const MaskSyntax& syntax) {
    const std::optional<uint32_t> network = Network(syntax.network);
    const std::optional<uint32_t> mask = Mask(syntax.mask);
    if (!network || !mask) return;
    if (const uint32_t natural = ClassMask(*network); (*mask & natural) != natural) {
      Report(syntax.mask, absl::StrCat("mask ", Dotted(*mask), " leaves out bits of the network: ",
                                       Dotted(*network), " has at least ", Dotted(natural)));
      return;
    }
    const auto [entry, added] = masks_.emplace(*network, *mask);
    if (!added && entry->second != *mask) {
      Report(syntax.network,
             absl::StrCat(Dotted(*network), " has another mask already: ", Dotted(entry->second)));
    }
  }

  std::optional<uint32_t> Mask(const Word& word) {
    if (!IsLiteral(word.text) && word.text.front() != '/') {
      // As in screend, a mask's name is that of a host.
      const auto& addresses = lookup_.Host(word.text);
      if (!addresses.ok()) return Report(word, addresses.status());
      for (const Address& address : *addresses) {
        if (address.size == 4) return address.ipv4();
      }
      Report(word, absl::StrCat(Quoted(word.text), " has no IPv4 address to be a mask"));
      return std::nullopt;
    }
    const auto address = ParseAddress(word.text);
    if (address.ok() && address->size == 4) return address->ipv4();
    Report(word, absl::StrCat(Quoted(word.text), " is not a mask: write it as 255.255.255.0 or ",
                              "0xffffff00"));
    return std::nullopt;
  }

  TransportTerm Read(const TransportSyntax& syntax) {
    switch (syntax.kind) {
      case TransportSyntax::Kind::kNone:
        return {};
      case TransportSyntax::Kind::kIcmpType:
        return Icmp(syntax);
      case TransportSyntax::Kind::kTcpPort:
        return Port(syntax, kTcp);
      case TransportSyntax::Kind::kUdpPort:
        return Port(syntax, kUdp);
      case TransportSyntax::Kind::kProtocol:
        return Protocol(syntax);
    }
    return {};
  }

  // A number up to `most`, or what the name stands for.
  template <typename Find>
  uint32_t Number(const Word& word, uint32_t most, Find find) {
    const auto number = ParseNumber(word.text, most);
    if (!number.ok()) {
      Report(word, number.status());
      return 0;
    }
    if (*number) return **number;
    const absl::StatusOr<uint32_t>& named = find(word.text);
    if (!named.ok()) {
      Report(word, named.status());
      return 0;
    }
    return *named;
  }

  TransportTerm Protocol(const TransportSyntax& syntax) {
    TransportTerm term;
    if (syntax.value.text == "any") {
      if (syntax.negated) term.kind = TransportTerm::Kind::kNothing;
      return term;
    }
    term.kind = TransportTerm::Kind::kProtocol;
    term.negated = syntax.negated;
    term.protocol = static_cast<uint8_t>(Number(
        syntax.value,
        255, [this](std::string_view name) -> auto& { return lookup_.Protocol(name); }));
    return term;
  }

  TransportTerm Port(const TransportSyntax& syntax, uint8_t protocol) {
    TransportTerm term;
    term.protocol = protocol;
    const std::string_view text = syntax.value.text;
    if (text == "any") {
      term.kind = syntax.negated ? TransportTerm::Kind::kNothing : TransportTerm::Kind::kProtocol;
      return term;
    }
    term.kind = TransportTerm::Kind::kPort;
    term.negated = syntax.negated;
    if (text == "reserved") {
      term.low = 0;
      term.high = 1023;
    } else if (text == "xserver") {
      term.low = 6000;
      term.high = 6099;
    } else {
      const uint32_t port = Number(
          syntax.value, 65535, [&](std::string_view name) -> auto& {
            return protocol == kTcp ? lookup_.TcpService(name) : lookup_.UdpService(name);
          });
      term.low = term.high = static_cast<uint16_t>(port);
    }
    return term;
  }

  TransportTerm Icmp(const TransportSyntax& syntax) {
    TransportTerm term;
    const std::string_view text = syntax.value.text;
    if (text == "any") {
      term.kind = syntax.negated ? TransportTerm::Kind::kNothing : TransportTerm::Kind::kIcmp;
      return term;
    }
    term.negated = syntax.negated;
    if (text == "infotype") {
      term.kind = TransportTerm::Kind::kIcmpInfo;
      return term;
    }
    term.kind = TransportTerm::Kind::kIcmpType;
    if (const auto named = FindIcmpType(text)) {
      term.icmp_type = *named;
      return term;
    }
    const auto number = ParseNumber(text, 255);
    if (!number.ok()) {
      Report(syntax.value, number.status());
    } else if (*number) {
      term.icmp_type.ipv4 = term.icmp_type.ipv6 = static_cast<int16_t>(**number);
    } else {
      const std::string_view meant = NearestIcmpType(text);
      Report(syntax.value,
             absl::StrCat("no ICMP type ", Quoted(text),
                          meant.empty() ? std::string(": write its number")
                                        : absl::StrCat(": did you mean ", Quoted(meant), "?")));
    }
    return term;
  }

  Lookup lookup_;
  Problems* const problems_;
  std::map<uint32_t, uint32_t> masks_;  // Of classful networks, by number.
  bool masks_complete_ = false;
  size_t addresses_ = 0;  // In the rules read so far.
};

}  // namespace

CheckedPolicy Check(const Syntax& syntax, Names& names, Problems& problems) {
  return Checker(&names, &problems).Run(syntax);
}

}  // namespace sluice::server::policy
