#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// A Decide call to a decider. One thread uses it and gets its callbacks. Destroying it ends the
// call; the listener is not called after that.
class DeciderStream {
 public:
  using Time = std::chrono::steady_clock::time_point;

  class Listener {
   public:
    virtual void OnMessage(const v1::DecideResponse& message, Time now) = 0;
    // The last write has gone out: the next message may be written.
    virtual void OnWritten(Time now) = 0;
    // The last callback. The stream may be destroyed within it.
    virtual void OnEnded(const absl::Status& status, Time now) = 0;

   protected:
    ~Listener() = default;
  };

  virtual ~DeciderStream() = default;
  // Starts to send `message`, which is serialized before this returns. One write at a time.
  virtual void Write(const v1::DecideRequest& message) = 0;
};

// Opens DeciderStreams.
class DeciderDialer {
 public:
  // Does not block: a call that cannot be made ends with the reason. `listener` outlives the
  // stream.
  virtual std::unique_ptr<DeciderStream> Dial(const std::string& address,
                                              DeciderStream::Listener* listener) = 0;

 protected:
  ~DeciderDialer() = default;
};

}  // namespace sluice::server
