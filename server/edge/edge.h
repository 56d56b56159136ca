#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/calls/methods.h"
#include "server/edge/acceptor.h"
#include "server/edge/connection.h"
#include "server/edge/io_thread.h"
#include "server/edge/ledger.h"
#include "server/edge/limits.h"
#include "server/edge/routes.h"
#include "server/edge/tls.h"
#include "server/edge/use_count.h"

namespace sluice::server {

struct EdgeOptions {
  EdgeLimits limits;
  // How long the threads that serve connections poll for more work before they sleep.
  std::chrono::nanoseconds busy_poll{0};
  // Pages of other origins that may call by gRPC-Web: "https://example.org".
  std::vector<std::string> allowed_origins;
};

// Everything of sluice-server that listens: gRPC, gRPC-Web and plain HTTP on the same ports. A
// connection is served by one thread from its beginning to its end.
class Edge final {
 public:
  // `methods` is not owned.
  Edge(const EdgeOptions& options, const Methods* methods);
  // Stops if Stop was not called.
  ~Edge();
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  // Accepts connections from `listening`, which it owns from now on, with TLS if there is `tls`,
  // which it does not own.
  void Serve(int listening, const TlsContext* tls);

  // Accepts no further connections and calls, waits up to `grace` until those under way have ended
  // and what they answered was sent, breaks off the others, and returns when all calls have ended.
  void Stop(std::chrono::milliseconds grace);

  const Ledger& ledger() const { return ledger_; }

 private:
  // A thread and its connections.
  struct Shard;

  void Accepted(int fd, int family, const std::string& peer, const TlsContext* tls);
  void Sweep(Shard* shard);
  // Has each shard's thread run `work` and waits for all of them.
  template <typename Work>
  void OnShards(Work work);

  const EdgeOptions options_;
  const Routes routes_;
  Ledger ledger_;
  UseCount calls_;
  UseCount connections_;
  boost::asio::thread_pool bulk_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::shared_ptr<Acceptor>> acceptors_;  // Of the first shard's thread.
  std::atomic<size_t> next_shard_{0};
  bool stopped_ = false;
};

}  // namespace sluice::server
