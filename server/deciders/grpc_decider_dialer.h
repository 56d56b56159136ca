#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <memory>
#include <string>

#include "server/deciders/decider_stream.h"

namespace sluice::server {

// Calls deciders over the network, each on a connection of its own. All that happens to the calls
// comes out of one completion queue, whose thread makes every call here.
class GrpcDeciderDialer final : public DeciderDialer {
 public:
  // Not owned.
  explicit GrpcDeciderDialer(grpc::CompletionQueue* events) : events_(events) {}

  std::unique_ptr<DeciderStream> Dial(const std::string& address,
                                      DeciderStream::Listener* listener) override;

  // An event of the queue. Every tag in it is one of these calls', but those the owner put there.
  static void Happened(void* tag, bool ok, DeciderStream::Time now);
  // Calls that have not come to their end; the queue is needed until there are none.
  size_t calls() const { return calls_; }

 private:
  grpc::CompletionQueue* const events_;  // Not owned.
  size_t calls_ = 0;
};

}  // namespace sluice::server
