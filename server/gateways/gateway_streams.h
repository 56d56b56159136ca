#pragma once

#include <chrono>
#include <functional>

#include "absl/status/status.h"
#include "sluice/v1/command.pb.h"

namespace sluice::server {

// A stream of which each gateway has at most one, as the registry sees it.
class GatewayStream {
 public:
  // Ends the stream; called with the registry's lock held.
  virtual void End(const absl::Status& why) = 0;

 protected:
  ~GatewayStream() = default;
};

// A Serve stream, as the registry sees it.
class CommandStream : public GatewayStream {
 public:
  // Called exactly once: with the gateway's reply, assembled if it came in parts, or with an error.
  // Must not block.
  using Done = std::function<void(const absl::Status&, v1::CommandReply&&)>;

  // Sends `command` (its id is set here) and keeps `done` for the reply. Returns UNAVAILABLE or
  // RESOURCE_EXHAUSTED, without calling `done`, if the command cannot be sent. `done` gets
  // DEADLINE_EXCEEDED if no reply has come by `deadline`, and UNAVAILABLE if the stream breaks.
  // Called with the registry's lock held.
  virtual absl::Status Send(v1::Command command, std::chrono::steady_clock::time_point deadline,
                            Done& done) = 0;

 protected:
  ~CommandStream() = default;
};

}  // namespace sluice::server
