#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/policy/checker/names.h"

namespace sluice::server::policy {

// Asks for each name once per policy: a name means the same throughout a policy, and one that is
// repeated does not cause another DNS query. Lives as long as one check; one thread.
class Lookup final {
 public:
  explicit Lookup(Names* names /* Not owned. */) : names_(names) {}

  const absl::StatusOr<std::vector<Address>>& Host(std::string_view name);
  const absl::StatusOr<uint32_t>& Network(std::string_view name);
  const absl::StatusOr<uint32_t>& Protocol(std::string_view name);
  const absl::StatusOr<uint32_t>& TcpService(std::string_view name);
  const absl::StatusOr<uint32_t>& UdpService(std::string_view name);
  // Not kept: a path is named once.
  absl::StatusOr<std::string> SetFile(std::string_view path) {
    return names_->SetFile(std::string(path));
  }

 private:
  template <typename Value>
  using Known = std::map<std::string, absl::StatusOr<Value>, std::less<>>;

  Names* const names_;
  Known<std::vector<Address>> hosts_;
  Known<uint32_t> networks_;
  Known<uint32_t> protocols_;
  Known<uint32_t> tcp_services_;
  Known<uint32_t> udp_services_;
};

}  // namespace sluice::server::policy
