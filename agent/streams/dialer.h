#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "third_party/grpc_watch/grpc_watch.h"

namespace sluice::agent {

// How the agent reaches its servers. Each stream (Decide of every queue, Report, Serve) owns a
// Dialer, so that each has a connection of its own and bulk data never delays verdicts. Used by one
// thread.
class Dialer final {
 public:
  // `servers` are "192.0.2.1:7654", "[fe80::1%eth0]:7654", "gw.example:7654" or
  // "unix:/run/sluice.sock"; at least one.
  explicit Dialer(std::vector<std::string> servers);

  struct Dialed {
    std::shared_ptr<grpc::Channel> channel;
    std::shared_ptr<ChannelSockets> sockets;
    std::string server;
  };

  // A fresh channel to the next server in the list, taking turns; if a name has several addresses,
  // to the first of them that answers. Does not block; a call started on it fails with the reason
  // if the server cannot be reached within half a second. `watch` watches the channel.
  Dialed Dial(GrpcWatch* watch);

  size_t servers() const { return servers_.size(); }

  // How long to wait before dialling again: at most 100 ms after a stream that was welcomed
  // ended, doubling up to 500 ms while dialling fails; always with jitter, so that a fleet does
  // not come back in step.
  std::chrono::milliseconds Delay();

  // A stream was welcomed: the next Delay() starts low again.
  void Welcomed();

 private:
  const std::vector<std::string> servers_;
  size_t next_ = 0;
  int failures_ = 0;
  std::minstd_rand random_;
};

}  // namespace sluice::agent
