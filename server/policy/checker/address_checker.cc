#include "server/policy/checker/address_checker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/policy/checker/checker.h"
#include "server/policy/checker/names.h"
#include "server/policy/terms/nearest_word.h"

namespace sluice::server::policy {
namespace {

std::string Dotted(uint32_t address) { return Address::IpV4(address).ToString(); }

}  // namespace

void AddressChecker::Report(const Word& word, std::string message) {
  problems_->Add(word.place, std::move(message));
}

std::nullopt_t AddressChecker::Report(const Word& word, const absl::Status& status) {
  problems_->Add(word.place, std::string(status.message()), IsUnanswered(status));
  return std::nullopt;
}

AddressTerm AddressChecker::Read(const AddressSyntax& syntax) {
  using Kind = AddressTerm::Kind;
  AddressTerm term;
  for (const AddressItem& item : syntax.items) {
    if (item.value.text != "any") continue;
    if (syntax.items.size() > 1) Report(item.value, "`any` among others: it stands alone");
    if (syntax.negated) term.kind = Kind::kNothing;
    return term;
  }
  if (syntax.items.empty()) return term;
  term.kind = syntax.negated ? Kind::kNoneOf : Kind::kOneOf;
  for (const AddressItem& item : syntax.items) ReadItem(item, term);
  return term;
}

void AddressChecker::ReadItem(const AddressItem& item, AddressTerm& term) {
  const Word& word = item.value;
  if (word.text.front() == '@' && item.kind != AddressItem::Kind::kSubnet) {
    if (auto set = Set(word)) term.sets.push_back(std::move(set));
    return;
  }
  std::optional<AddressPattern> pattern;
  switch (item.kind) {
    case AddressItem::Kind::kHost:
      for (const AddressPattern& address : Host(word)) term.patterns.push_back(address);
      return;
    case AddressItem::Kind::kNet:
      pattern = Net(word);
      break;
    case AddressItem::Kind::kSubnet:
      pattern = Subnet(word);
      break;
    case AddressItem::Kind::kBare:
      pattern = Bare(word);
      break;
  }
  if (pattern) term.patterns.push_back(*pattern);
}

std::vector<AddressPattern> AddressChecker::Host(const Word& word) {
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
    const auto& addresses = lookup_->Host(word.text);
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

std::optional<AddressPattern> AddressChecker::Bare(const Word& word) {
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

std::optional<AddressPattern> AddressChecker::Prefix(const Word& word) {
  const auto pattern = ParsePrefix(word.text);
  if (!pattern.ok()) return Report(word, pattern.status());
  return *pattern;
}

std::optional<AddressPattern> AddressChecker::Net(const Word& word) {
  if (word.text.find('/') != std::string_view::npos) return Prefix(word);
  const std::optional<uint32_t> network = Network(word);
  if (!network) return std::nullopt;
  return AddressPattern::Masked(*network, ClassMask(*network));
}

std::optional<uint32_t> AddressChecker::Network(const Word& word) {
  const std::optional<uint32_t> number = IpV4(word, "a network needs its prefix length");
  if (!number) return std::nullopt;
  const uint32_t mask = ClassMask(*number);
  if (mask == 0) {
    Report(word, absl::StrCat(Quoted(word.text),
                              " is in no network of class A, B or C: write ADDRESS/LENGTH"));
    return std::nullopt;
  }
  if ((*number & ~mask) != 0) {
    Report(word, absl::StrCat(Quoted(word.text), " is not the number of a network: it is part of ",
                              Dotted(*number & mask), "; write ADDRESS/LENGTH for a part"));
    return std::nullopt;
  }
  return number;
}

std::optional<uint32_t> AddressChecker::IpV4(const Word& word, std::string_view ipv6_hint) {
  if (!IsLiteral(word.text)) {
    const auto& number = lookup_->Network(word.text);
    if (!number.ok()) return Report(word, number.status());
    return *number;
  }
  const auto address = ParseAddress(word.text);
  if (!address.ok()) return Report(word, address.status());
  if (address->size == 4) return address->ipv4();
  Report(word, absl::StrCat(Quoted(word.text), " is an IPv6 address: ", std::string(ipv6_hint)));
  return std::nullopt;
}

std::optional<AddressPattern> AddressChecker::Subnet(const Word& word) {
  if (word.text.find('/') != std::string_view::npos) {
    Report(word, absl::StrCat(Quoted(word.text), " has a prefix length: write `net` for `subnet`"));
    return std::nullopt;
  }
  const auto number = IpV4(word, "`subnet` is for IPv4; write `net ADDRESS/LENGTH`");
  if (!number) return std::nullopt;
  const uint32_t network = *number & ClassMask(*number);
  const auto mask = masks_.find(network);
  if (ClassMask(*number) == 0 || mask == masks_.end()) {
    if (complete_) {
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

void AddressChecker::Declare(const MaskSyntax& syntax) {
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

std::optional<uint32_t> AddressChecker::Mask(const Word& word) {
  if (!IsLiteral(word.text) && word.text.front() != '/') {
    // As in screend, the name of a mask is a host's name.
    const auto& addresses = lookup_->Host(word.text);
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

}  // namespace sluice::server::policy
