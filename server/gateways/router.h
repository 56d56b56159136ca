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

  // Calls `done` exactly once: at once if the command cannot be sent (NOT_FOUND, UNAVAILABLE,
  // RESOURCE_EXHAUSTED), else on a thread of gRPC's or the ticker's, with the reply or
  // DEADLINE_EXCEEDED or UNAVAILABLE. A CommandError of the gateway is an error status whose
  // details are its SystemError, if it sent one. The gateway does nothing that it has not begun
  // when its time is over or nobody waits any more: `until` is when the caller stops waiting.
  void Send(
      const std::string& gateway, v1::Command command, CommandStream::Done done,
      std::chrono::system_clock::time_point until = std::chrono::system_clock::time_point::max());

 private:
  Registry* const registry_;  // Not owned.
  const std::chrono::milliseconds timeout_;
};

}  // namespace sluice::server
