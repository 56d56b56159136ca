#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/policy/checked_policy.h"
#include "server/policy/lookup.h"
#include "server/policy/problems.h"
#include "server/policy/syntax.h"

namespace sluice::server::policy {

// Gives the addresses, networks, subnets and sets of a policy their meaning. First the masks and
// sets it declares, then its objects. What is wrong is added to `problems`; what is then given is
// not to be used. For one check; one thread.
class AddressChecker final {
 public:
  AddressChecker(Lookup* lookup, Problems* problems)  // Neither owned.
      : lookup_(lookup), problems_(problems) {}

  void Declare(const MaskSyntax& syntax);
  void Declare(const SetSyntax& syntax);
  // `complete`: all masks and sets of the policy were understood, so that one that is missing is
  // worth a problem.
  void DeclaredAll(bool complete) { complete_ = complete; }

  AddressTerm Read(const AddressSyntax& syntax);

  // In all sets declared.
  size_t set_addresses() const { return set_addresses_; }

 private:
  void Report(const Word& word, std::string message);
  std::nullopt_t Report(const Word& word, const absl::Status& status);

  // These report what is wrong with a word and then give nothing.
  void ReadItem(const AddressItem& item, AddressTerm& term);
  std::vector<AddressPattern> Host(const Word& word);
  std::optional<AddressPattern> Bare(const Word& word);
  std::optional<AddressPattern> Prefix(const Word& word);
  std::optional<AddressPattern> Net(const Word& word);
  // The number of a classful network, as `net` and `for` take it.
  std::optional<uint32_t> Network(const Word& word);
  // An IPv4 number, written out or as a network's name.
  std::optional<uint32_t> IpV4(const Word& word, std::string_view ipv6_hint);
  std::optional<AddressPattern> Subnet(const Word& word);
  std::optional<uint32_t> Mask(const Word& word);
  std::shared_ptr<const AddressSet> Set(const Word& word);
  void ReadFile(const Word& file, AddressSet& set);

  Lookup* const lookup_;
  Problems* const problems_;
  std::map<uint32_t, uint32_t> masks_;  // Of classful networks, by number.
  std::map<std::string, std::shared_ptr<const AddressSet>, std::less<>> sets_;
  size_t set_addresses_ = 0;
  bool complete_ = false;
};

}  // namespace sluice::server::policy
