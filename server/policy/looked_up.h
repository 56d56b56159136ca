#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/policy/known_names.h"
#include "server/policy/names.h"

namespace sluice::server::policy {

// What hosts and networks stand for, or why that is not known. Asking DNS is apart from compiling
// by it: a policy is compiled with what was looked up, says which names it wants beside
// (AnsweredNames), and is compiled again once somebody has waited for DNS.
struct LookedUp {
  std::map<std::string, absl::StatusOr<std::vector<Address>>> hosts;
  std::map<std::string, absl::StatusOr<uint32_t>> networks;
  // Of them, those that mean what they meant before, and why.
  std::map<std::string, std::string> outdated;

  // As if these were the answers.
  static LookedUp Of(const NameMeanings& meanings);
  // Adds what `other` has.
  void Add(LookedUp other);
  // Whether some could not be looked up.
  bool unanswered() const;
  // Those that could not mean what they do in `former`, where they are in it.
  void UseFormer(const NameMeanings& former);
  // All of them are outdated, for this reason.
  void Outdate(const std::string& why);
};

// Asks for each of `wanted`. Blocks as long as `names` does.
LookedUp LookUp(const NameSet& wanted, Names& names);

// What names mean once some of them were looked up again.
struct RenewedNames {
  NameMeanings meanings;
  std::vector<std::string> changed;             // Names that mean something else.
  std::map<std::string, std::string> outdated;  // Those that stand for nothing now, too.
};
// `found` are answers for names in `before`. The order of addresses means nothing.
RenewedNames Renew(const NameMeanings& before, const LookedUp& found);

// Knows hosts and networks that were looked up; others are wanted, and get some meaning until then.
// Never blocks on DNS. One thread.
class AnsweredNames final : public Names {
 public:
  AnsweredNames(const LookedUp* answers, Names* local)  // Neither owned.
      : answers_(answers), local_(local) {}

  absl::StatusOr<std::vector<Address>> Host(const std::string& name) override;
  absl::StatusOr<uint32_t> Network(const std::string& name) override;
  absl::StatusOr<uint32_t> Protocol(const std::string& name) override {
    return local_->Protocol(name);
  }
  absl::StatusOr<uint32_t> Service(const std::string& name, const char* protocol) override {
    return local_->Service(name, protocol);
  }
  absl::StatusOr<std::string> SetFile(const std::string& path) override {
    return local_->SetFile(path);
  }
  NameSet wanted() const override { return wanted_; }
  std::map<std::string, std::string> outdated() const override { return outdated_; }

 private:
  void NoteIfOutdated(const std::string& name);

  const LookedUp* const answers_;
  Names* const local_;
  NameSet wanted_;
  std::map<std::string, std::string> outdated_;  // Of those that were asked for.
};

}  // namespace sluice::server::policy
