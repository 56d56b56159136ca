#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <memory>
#include <string>

#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// A Decide call to a decider. One thread has it, and hears of it. Destroying it ends the call;
// nothing is heard then.
class DeciderStream {
 public:
  using Time = std::chrono::steady_clock::time_point;

  class Listener {
   public:
    virtual void OnMessage(const v1::DecideResponse& message, Time now) = 0;
    // What was written last has gone out: the next may be written.
    virtual void OnWritten(Time now) = 0;
    // Last of all. The stream may be destroyed, here and now.
    virtual void OnEnded(const grpc::Status& status, Time now) = 0;

   protected:
    ~Listener() = default;
  };

  virtual ~DeciderStream() = default;
  // Starts to send `message`; it is serialized before this returns. One at a time.
  virtual void Write(const v1::DecideRequest& message) = 0;
};

// Opens them.
class DeciderDialer {
 public:
  // Does not block: a call that cannot be made ends, with the reason. `listener` outlives it.
  virtual std::unique_ptr<DeciderStream> Dial(const std::string& address,
                                              DeciderStream::Listener* listener) = 0;

 protected:
  ~DeciderDialer() = default;
};

}  // namespace sluice::server
