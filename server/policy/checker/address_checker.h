#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/checker/lookup.h"
#include "server/policy/language/syntax.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// Gives the addresses, networks, subnets and sets of a policy their meaning. Takes the masks and
// sets that the policy declares first, then its objects. Adds what is wrong to `problems`; the
// terms returned must then not be used. For one check; one thread.
class AddressChecker final {
 public:
  AddressChecker(Lookup* lookup, Problems* problems)  // Neither owned.
      : lookup_(lookup), problems_(problems) {}

  void Declare(const MaskSyntax& syntax);
  void Declare(const SetSyntax& syntax);
  // `complete`: all masks and sets of the policy were understood, so that a missing one is a
  // problem.
  void DeclaredAll(bool complete) { complete_ = complete; }

  AddressTerm Read(const AddressSyntax& syntax);

  // Number of addresses in all declared sets.
  size_t set_addresses() const { return set_addresses_; }

 private:
  void Report(const Word& word, std::string message);
  std::nullopt_t Report(const Word& word, const absl::Status& status);

  // If a word is wrong, these report it and return nothing.
  void ReadItem(const AddressItem& item, AddressTerm& term);
  std::vector<AddressPattern> Host(const Word& word);
  std::optional<AddressPattern> Bare(const Word& word);
  std::optional<AddressPattern> Prefix(const Word& word);
  std::optional<AddressPattern> Net(const Word& word);
  // The number of a classful network, as `net` and `for` take it.
  std::optional<uint32_t> Network(const Word& word);
  // An IPv4 number, written as digits or as a network's name.
  std::optional<uint32_t> IpV4(const Word& word, std::string_view ipv6_hint);
  std::optional<AddressPattern> Subnet(const Word& word);
  std::optional<uint32_t> Mask(const Word& word);
  std::shared_ptr<const AddressSet> Set(const Word& word);
  void ReadFile(const Word& file, AddressSet& set);

  Lookup* const lookup_;
  Problems* const problems_;
  std::map<uint32_t, uint32_t> masks_;  // Masks of classful networks, by network number.
  std::map<std::string, std::shared_ptr<const AddressSet>, std::less<>> sets_;
  size_t set_addresses_ = 0;
  bool complete_ = false;
};

}  // namespace sluice::server::policy
