#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/policy/address.h"

namespace sluice::server::policy {

// Names of hosts and networks: those DNS may be asked for, which takes as long as it takes.
struct NameSet {
  std::set<std::string> hosts;
  std::set<std::string> networks;

  bool empty() const { return hosts.empty() && networks.empty(); }
};

// Says what the names in a policy stand for. NOT_FOUND: nothing; the message says where it was
// looked for. UNAVAILABLE, DEADLINE_EXCEEDED: that cannot be known now (IsUnanswered).
class Names {
 public:
  virtual ~Names() = default;

  // Addresses of a host, at least one.
  virtual absl::StatusOr<std::vector<Address>> Host(const std::string& name) = 0;
  // IPv4 number of a network, host bits zero, in host order: 0x0a000000.
  virtual absl::StatusOr<uint32_t> Network(const std::string& name) = 0;
  // IANA number of a protocol.
  virtual absl::StatusOr<uint32_t> Protocol(const std::string& name) = 0;
  // Port of a service of `tcp` or `udp`.
  virtual absl::StatusOr<uint32_t> Service(const std::string& name, const char* protocol) = 0;
  // What is in the file of a set.
  virtual absl::StatusOr<std::string> SetFile(const std::string& path) = 0;

  // Hosts and networks that must be looked up first: what was given for them stands for nothing,
  // and so does what was made of it.
  virtual NameSet wanted() const { return {}; }
  // Hosts and networks that were not looked up and mean what they meant before, with the reason.
  virtual std::map<std::string, std::string> outdated() const { return {}; }
};

// Whether a name may well stand for something, which nobody could say now.
bool IsUnanswered(const absl::Status& status);

// Asks the system, as /etc/nsswitch.conf says: DNS, /etc/hosts, networks, protocols, services.
// Blocks while DNS does. Any thread may own one.
class SystemNames final : public Names {
 public:
  // Nothing is asked any more behind `deadline` (DEADLINE_EXCEEDED): a policy full of names that
  // no server answers for must not hold its caller for hours. A question already asked takes as
  // long as resolv.conf allows. Files of sets are read in `set_dir` and below, an absolute path; ""
  // is nowhere.
  explicit SystemNames(std::chrono::steady_clock::time_point deadline, std::string set_dir = "")
      : deadline_(deadline), set_dir_(std::move(set_dir)) {}

  absl::StatusOr<std::vector<Address>> Host(const std::string& name) override;
  absl::StatusOr<uint32_t> Network(const std::string& name) override;
  absl::StatusOr<uint32_t> Protocol(const std::string& name) override;
  absl::StatusOr<uint32_t> Service(const std::string& name, const char* protocol) override;
  // Of regular files, by their absolute path, up to 256 MiB. Whoever writes a policy need not be
  // one who may read all the server can: what is elsewhere, or where a link leads out, is not read,
  // and nothing is said of it.
  absl::StatusOr<std::string> SetFile(const std::string& path) override;

 private:
  absl::Status InTime() const;

  const std::chrono::steady_clock::time_point deadline_;
  const std::string set_dir_;
};

}  // namespace sluice::server::policy
