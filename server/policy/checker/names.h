#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/policy/terms/address.h"

namespace sluice::server::policy {

// Names of hosts and networks, the names for which DNS may be asked; that takes as long as DNS
// takes.
struct NameSet {
  std::set<std::string> hosts;
  std::set<std::string> networks;

  bool empty() const { return hosts.empty() && networks.empty(); }
};

// Says what the names in a policy stand for. NOT_FOUND: nothing; the message says where the name
// was looked for. UNAVAILABLE, DEADLINE_EXCEEDED: that cannot be known now (IsUnanswered).
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
  // The text of a set's file.
  virtual absl::StatusOr<std::string> SetFile(const std::string& path) = 0;

  // Hosts and networks that must be looked up first. The answers given for them, and whatever was
  // made of these answers, mean nothing.
  virtual NameSet wanted() const { return {}; }
  // Hosts and networks that could not be looked up and keep their earlier meaning, with the reason.
  virtual std::map<std::string, std::string> outdated() const { return {}; }
};

// Whether the status means that nobody could say now what a name stands for; it may well stand for
// something.
bool IsUnanswered(const absl::Status& status);

// Asks the system, as /etc/nsswitch.conf says: DNS, /etc/hosts, networks, protocols, services.
// Blocks as long as DNS does. Any thread may own one.
class SystemNames final : public Names {
 public:
  // Asks nothing after `deadline` (DEADLINE_EXCEEDED): a policy full of names for which no server
  // answers must not hold its caller for hours. A question already asked takes as long as
  // resolv.conf allows. `set_dir`, an absolute path, is the folder in or below which files of sets
  // are read; "": none is read.
  explicit SystemNames(std::chrono::steady_clock::time_point deadline, std::string set_dir = "")
      : deadline_(deadline), set_dir_(std::move(set_dir)) {}

  absl::StatusOr<std::vector<Address>> Host(const std::string& name) override;
  absl::StatusOr<uint32_t> Network(const std::string& name) override;
  absl::StatusOr<uint32_t> Protocol(const std::string& name) override;
  absl::StatusOr<uint32_t> Service(const std::string& name, const char* protocol) override;
  // Reads regular files, named by their absolute path, of up to 256 MiB. The author of a policy may
  // be somebody who must not read all that the server can. So a file elsewhere is not read, even if
  // a link leads to it, and the error says nothing about it.
  absl::StatusOr<std::string> SetFile(const std::string& path) override;

 private:
  absl::Status InTime() const;

  const std::chrono::steady_clock::time_point deadline_;
  const std::string set_dir_;
};

}  // namespace sluice::server::policy
