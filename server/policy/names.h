#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/policy/address.h"

namespace sluice::server::policy {

// Says what the names in a policy stand for. NOT_FOUND: nothing, as far as one can know now; the
// message says where it was looked for.
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
};

// Asks the system, as /etc/nsswitch.conf says: DNS, /etc/hosts, networks, protocols, services.
// Blocks while DNS does. Any thread may own one.
class SystemNames final : public Names {
 public:
  // Nothing is asked any more behind `deadline` (DEADLINE_EXCEEDED): a policy full of names that
  // no server answers for must not hold its caller for hours. A question already asked takes as
  // long as resolv.conf allows.
  explicit SystemNames(std::chrono::steady_clock::time_point deadline) : deadline_(deadline) {}

  absl::StatusOr<std::vector<Address>> Host(const std::string& name) override;
  absl::StatusOr<uint32_t> Network(const std::string& name) override;
  absl::StatusOr<uint32_t> Protocol(const std::string& name) override;
  absl::StatusOr<uint32_t> Service(const std::string& name, const char* protocol) override;
  // Of regular files, by their absolute path, up to 256 MiB.
  absl::StatusOr<std::string> SetFile(const std::string& path) override;

 private:
  absl::Status InTime() const;

  const std::chrono::steady_clock::time_point deadline_;
};

}  // namespace sluice::server::policy
