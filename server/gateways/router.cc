#include "server/gateways/router.h"

#include <utility>

namespace sluice::server {

Router::Router(Registry* registry, std::chrono::milliseconds timeout)
    : registry_(registry), timeout_(timeout) {}

void Router::Send(const std::string& gateway, v1::Command command, CommandStream::Done done) {
  const auto deadline = std::chrono::steady_clock::now() + timeout_;
  const grpc::Status sent = registry_->Send(gateway, std::move(command), deadline, done);
  if (!sent.ok()) done(sent, v1::CommandReply());
}

}  // namespace sluice::server
