#include "server/gateways/router.h"

#include <algorithm>
#include <utility>

namespace sluice::server {

Router::Router(Registry* registry, std::chrono::milliseconds timeout)
    : registry_(registry), timeout_(timeout) {}

void Router::Send(const std::string& gateway, v1::Command command, CommandStream::Done done,
                  std::chrono::system_clock::time_point until) {
  auto patience = std::chrono::steady_clock::duration(timeout_);
  // Compared before subtracting: with time_point::max(), no deadline, the difference would
  // overflow.
  const auto now = std::chrono::system_clock::now();
  if (until < now + timeout_) patience = std::max(until - now, patience.zero());
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const absl::Status sent = registry_->Send(gateway, std::move(command), deadline, done);
  if (!sent.ok()) done(sent, v1::CommandReply());
}

}  // namespace sluice::server
