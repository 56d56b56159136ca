#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/streams/places.h"
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

// What a gateway answered.
struct GatewayAnswer {
  // One of the replies of a list. Kept as it came: parsed, it takes several times the memory.
  struct Part {
    std::string verdicts;  // A v1::RememberedVerdicts, serialized.
    Places::Place room;    // For those bytes.
  };

  v1::CommandReply reply;  // The last reply; without what is in `list`.
  std::vector<Part> list;  // Of ListRemembered.
};

// A Serve stream, as the registry sees it.
class CommandStream : public GatewayStream {
 public:
  // Called exactly once: with the gateway's answer, whole, or with an error. Must not block.
  using Done = std::function<void(const absl::Status&, GatewayAnswer&&)>;

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
