#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/policy/names.h"

namespace sluice::server::policy {

// What hosts and networks mean.
struct NameMeanings {
  std::map<std::string, std::vector<Address>> hosts;
  std::map<std::string, uint32_t> networks;

  bool empty() const { return hosts.empty() && networks.empty(); }
  bool operator==(const NameMeanings& other) const = default;
  // Takes what `other` has and this does not.
  void Add(const NameMeanings& other);
  // Bytes it takes, about.
  size_t memory() const;
};

// What the names in a policy meant when it was compiled, and what was in its set files.
struct KnownNames : NameMeanings {
  std::map<std::string, uint32_t> protocols;
  std::map<std::pair<std::string, std::string>, uint32_t> services;  // Name and protocol.
  std::map<std::string, std::string> set_files;                      // Texts by path.

  // Reads the set files again. One that cannot be read, or says no set, stays as it was; why is
  // added to `stale`. Whether one has changed.
  bool ReadAgain(Names& names, std::vector<std::string>* stale);
  // Bytes it takes, about.
  size_t memory() const;
};

// Asks others and keeps what they answer; what is known already is not asked. So a policy that is
// compiled again for its set files means the same else, whatever DNS has come to say. One thread.
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
