#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/policy/checker/known_names.h"
#include "server/policy/checker/names.h"

namespace sluice::server::policy {

// What hosts and networks stand for, or why that is not known. It keeps asking DNS apart from
// compiling: a policy is compiled with the names looked up so far, which shows which other names it
// needs (AnsweredNames). Once somebody has waited for DNS, it is compiled again.
struct LookedUp {
  std::map<std::string, absl::StatusOr<std::vector<Address>>> hosts;
  std::map<std::string, absl::StatusOr<uint32_t>> networks;
  // Those of them that keep their earlier meaning, and why.
  std::map<std::string, std::string> outdated;

  // Treats `meanings` as the answers.
  static LookedUp Of(const NameMeanings& meanings);
  // Adds the names of `other` that this does not have.
  void Add(LookedUp other);
  // Whether some names could not be looked up.
  bool unanswered() const;
  // Gives the names that could not be looked up the meaning they have in `former`, if they are in
  // it.
  void UseFormer(const NameMeanings& former);
  // Marks all names as outdated, for the reason `why`.
  void Outdate(const std::string& why);
};

// Asks for each of `wanted`. Blocks as long as `names` does.
LookedUp LookUp(const NameSet& wanted, Names& names);

// What names mean after some of them were looked up again.
struct RenewedNames {
  NameMeanings meanings;
  std::vector<std::string> changed;             // Names whose meaning changed.
  std::map<std::string, std::string> outdated;  // Includes names that do not exist any more.
};
// `found` has answers for names of `before`. A different order of the same addresses is no change.
RenewedNames Renew(const NameMeanings& before, const LookedUp& found);

// Answers with the hosts and networks that were looked up. Any other is added to `wanted` and gets
// an arbitrary meaning for the time being. Never blocks on DNS. One thread.
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
  std::map<std::string, std::string> outdated_;  // Only names that were asked for.
};

}  // namespace sluice::server::policy
