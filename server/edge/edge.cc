#include "server/edge/edge.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include "server/calls/peer_key.h"

namespace sluice::server {
namespace {

// Threads that serve connections: as many as processors, or half as many if each keeps a processor
// busy by polling. On two processors that both share with the load of 16 to 1,000 agents, two
// threads answer a fifth to a half more than one (tests/bench, edge).
size_t Threads(bool polling) {
  return std::clamp(std::thread::hardware_concurrency() / (polling ? 2 : 1), 1u, 16u);
}

// Threads for calls of people and tools: one that takes its time does not hold up the others.
constexpr size_t kBulkThreads = 2;

// How often connections are looked at for what takes too long.
constexpr std::chrono::milliseconds kSweep{250};

}  // namespace

struct Edge::Shard {
  explicit Shard(std::chrono::nanoseconds busy_poll) : thread(busy_poll), sweep(thread.context()) {}

  IoThread thread;
  // Of the thread. Connections that have ended are kept until the next sweep.
  std::vector<std::shared_ptr<Connection>> connections;
  boost::asio::steady_timer sweep;
  bool draining = false;
};

Edge::Edge(const EdgeOptions& options, const Methods* methods)
    : options_(options),
      routes_(methods, options.allowed_origins),
      ledger_(options.limits),
      bulk_(kBulkThreads) {
  const size_t threads = Threads(options.busy_poll.count() > 0);
  for (size_t i = 0; i < threads; ++i) {
    shards_.push_back(std::make_unique<Shard>(options.busy_poll));
  }
  OnShards([this](Shard* shard) { Sweep(shard); });
}

Edge::~Edge() { Stop(std::chrono::milliseconds(0)); }

void Edge::Serve(int listening, const TlsContext* tls) {
  auto acceptor =
      std::make_shared<Acceptor>(listening, &shards_.front()->thread, &ledger_,
                                 [this, tls](int fd, int family, const std::string& peer) {
                                   Accepted(fd, family, peer, tls);
                                 });
  acceptors_.push_back(acceptor);
  shards_.front()->thread.Post([acceptor] { acceptor->Start(); });
}

void Edge::Accepted(int fd, int family, const std::string& peer, const TlsContext* tls) {
  std::shared_ptr<Ledger::Peer> account =
      ledger_.Enter(PeerKey(peer), std::chrono::steady_clock::now());
  if (account == nullptr) {
    ledger_.CountRefused(PeerKey(peer));
    close(fd);
    return;
  }
  Shard* const shard = shards_[next_shard_++ % shards_.size()].get();
  Connection::Socket socket(shard->thread.context(),
                            boost::asio::generic::stream_protocol(family, 0), fd);
  auto connection = std::make_shared<Connection>(
      std::move(socket), Connection::Parts{.routes = &routes_,
                                           .tls = tls,
                                           .count = &connections_,
                                           .calls = {.limits = &options_.limits,
                                                     .thread = &shard->thread,
                                                     .bulk = &bulk_,
                                                     .count = &calls_,
                                                     .peer = std::move(account),
                                                     .address = peer}});
  shard->thread.Post([shard, connection] {
    if (shard->draining) return connection->Close();
    shard->connections.push_back(connection);
    connection->Start();
  });
}

void Edge::Sweep(Shard* shard) {
  const auto now = std::chrono::steady_clock::now();
  for (const std::shared_ptr<Connection>& connection : shard->connections) connection->Sweep(now);
  std::erase_if(shard->connections,
                [](const std::shared_ptr<Connection>& connection) { return connection->closed(); });
  shard->sweep.expires_after(kSweep);
  shard->sweep.async_wait([this, shard](const boost::system::error_code& error) {
    if (error) return;
    Sweep(shard);
    shard->thread.Settle();
  });
}

template <typename Work>
void Edge::OnShards(Work work) {
  for (const std::unique_ptr<Shard>& shard : shards_) {
    std::promise<void> done;
    shard->thread.Post([&] {
      work(shard.get());
      done.set_value();
    });
    done.get_future().wait();
  }
}

void Edge::Stop(std::chrono::milliseconds grace) {
  if (std::exchange(stopped_, true)) return;
  const auto until = std::chrono::steady_clock::now() + grace;
  OnShards([this](Shard* shard) {
    if (shard == shards_.front().get()) {
      for (const std::shared_ptr<Acceptor>& acceptor : acceptors_) acceptor->Stop();
    }
    shard->draining = true;
    for (const std::shared_ptr<Connection>& connection : shard->connections) connection->Drain();
  });
  calls_.AwaitNone(until - std::chrono::steady_clock::now());
  connections_.AwaitNone(until - std::chrono::steady_clock::now());
  OnShards([](Shard* shard) {
    for (const std::shared_ptr<Connection>& connection : shard->connections) connection->Close();
  });
  calls_.AwaitNone();
  OnShards([](Shard* shard) {
    shard->sweep.cancel();
    shard->connections.clear();
  });
  bulk_.join();
  acceptors_.clear();
  shards_.clear();
}

}  // namespace sluice::server
