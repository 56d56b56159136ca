#include "server/gateways/router.h"

#include <algorithm>
#include <utility>

namespace sluice::server {

Router::Router(Registry* registry, std::chrono::milliseconds timeout)
    : registry_(registry), timeout_(timeout) {}

void Router::Send(const std::string& gateway, v1::Command command, CommandStream::Done done,
                  std::chrono::steady_clock::time_point until) {
  const auto deadline = std::min(until, std::chrono::steady_clock::now() + timeout_);
  const absl::Status sent = registry_->Send(gateway, std::move(command), deadline, done);
  if (!sent.ok()) done(sent, GatewayAnswer());
}

}  // namespace sluice::server
