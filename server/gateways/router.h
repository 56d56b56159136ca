#pragma once

#include <chrono>
#include <string>

#include "server/gateways/registry.h"

namespace sluice::server {

// Sends commands to gateways and hands their replies back. Any thread may call.
class Router final {
 public:
  // How long a gateway may take to answer.
  static constexpr std::chrono::milliseconds kTimeout{5000};

  explicit Router(Registry* registry, std::chrono::milliseconds timeout = kTimeout);

  // Calls `done` exactly once. If the command cannot be sent, `done` is called at once (NOT_FOUND,
  // UNAVAILABLE, RESOURCE_EXHAUSTED); otherwise on a thread that serves connections or the
  // ticker's, with the reply, DEADLINE_EXCEEDED or UNAVAILABLE. A CommandError of the gateway
  // becomes an error status with the SystemError as a payload, if it sent one. `until` is when the
  // caller stops waiting. A gateway that has not begun to carry out the command by then, or by the
  // timeout, does not begin it.
  void Send(
      const std::string& gateway, v1::Command command, CommandStream::Done done,
      std::chrono::steady_clock::time_point until = std::chrono::steady_clock::time_point::max());

 private:
  Registry* const registry_;  // Not owned.
  const std::chrono::milliseconds timeout_;
};

}  // namespace sluice::server
