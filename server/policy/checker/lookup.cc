#include "server/policy/checker/lookup.h"

namespace sluice::server::policy {
namespace {

template <typename Known, typename Ask>
const auto& Once(Known& known, std::string_view name, Ask ask) {
  auto found = known.find(name);
  if (found == known.end()) {
    const std::string key(name);
    found = known.emplace(key, ask(key)).first;
  }
  return found->second;
}

}  // namespace

const absl::StatusOr<std::vector<Address>>& Lookup::Host(std::string_view name) {
  return Once(hosts_, name, [this](const std::string& key) { return names_->Host(key); });
}

const absl::StatusOr<uint32_t>& Lookup::Network(std::string_view name) {
  return Once(networks_, name, [this](const std::string& key) { return names_->Network(key); });
}

const absl::StatusOr<uint32_t>& Lookup::Protocol(std::string_view name) {
  return Once(protocols_, name, [this](const std::string& key) { return names_->Protocol(key); });
}

const absl::StatusOr<uint32_t>& Lookup::TcpService(std::string_view name) {
  return Once(tcp_services_, name,
              [this](const std::string& key) { return names_->Service(key, "tcp"); });
}

const absl::StatusOr<uint32_t>& Lookup::UdpService(std::string_view name) {
  return Once(udp_services_, name,
              [this](const std::string& key) { return names_->Service(key, "udp"); });
}

}  // namespace sluice::server::policy
