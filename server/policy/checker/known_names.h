#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/policy/checker/names.h"

namespace sluice::server::policy {

// What names of hosts and networks mean.
struct NameMeanings {
  std::map<std::string, std::vector<Address>> hosts;
  std::map<std::string, uint32_t> networks;

  bool empty() const { return hosts.empty() && networks.empty(); }
  bool operator==(const NameMeanings& other) const = default;
  // Adds the names that `other` has and this does not.
  void Add(const NameMeanings& other);
  // About how many bytes it takes.
  size_t memory() const;
};

// What the names in a policy meant when it was compiled, and the texts of its set files.
struct KnownNames : NameMeanings {
  std::map<std::string, uint32_t> protocols;
  std::map<std::pair<std::string, std::string>, uint32_t> services;  // Name and protocol.
  std::map<std::string, std::string> set_files;                      // Texts by path.

  // Reads the set files again. A file that cannot be read, or is not a set, stays as it was, and
  // the reason is added to `stale`. Returns whether any text has changed.
  bool ReadAgain(Names& names, std::vector<std::string>* stale);
  // About how many bytes it takes.
  size_t memory() const;
};

// Asks `names` and keeps the answers in `known`; does not ask for what is known already. So when a
// policy is compiled again because its set files changed, its names keep their meaning, whatever
// DNS says now. One thread.
class RememberingNames final : public Names {
 public:
  RememberingNames(Names* names, KnownNames* known)  // Neither owned.
      : names_(names), known_(known) {}

  absl::StatusOr<std::vector<Address>> Host(const std::string& name) override;
  absl::StatusOr<uint32_t> Network(const std::string& name) override;
  absl::StatusOr<uint32_t> Protocol(const std::string& name) override;
  absl::StatusOr<uint32_t> Service(const std::string& name, const char* protocol) override;
  absl::StatusOr<std::string> SetFile(const std::string& path) override;

 private:
  Names* const names_;
  KnownNames* const known_;
};

}  // namespace sluice::server::policy
