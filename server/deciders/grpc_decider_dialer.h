#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <memory>
#include <string>

#include "server/deciders/decider_stream.h"
#include "third_party/grpc_watch/grpc_watch.h"

namespace sluice::server {

// Calls deciders over the network, each on a connection of its own. All events of the calls come
// from one completion queue; the thread that drains it makes all calls of this class.
class GrpcDeciderDialer final : public DeciderDialer {
 public:
  // Not owned.
  explicit GrpcDeciderDialer(grpc::CompletionQueue* events) : events_(events) {}

  std::unique_ptr<DeciderStream> Dial(const std::string& address,
                                      DeciderStream::Listener* listener) override;

  // Handles an event of the queue. Not for events that the queue's owner put there himself.
  static void Happened(void* tag, bool ok, DeciderStream::Time now);
  // Calls that have not ended yet. The queue must be drained until there are none.
  size_t calls() const { return calls_; }
  // Watches the thread, which calls its Enter and Leave around each call of the queue.
  GrpcWatch* watch() { return &watch_; }

 private:
  grpc::CompletionQueue* const events_;  // Not owned.
  GrpcWatch watch_;
  size_t calls_ = 0;
};

}  // namespace sluice::server
