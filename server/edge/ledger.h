#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "server/edge/limits.h"
#include "server/edge/token_bucket.h"
#include "third_party/annotated_mutex/mutex.h"
#include "third_party/daemon/log_rate_limiter.h"

namespace sluice::server {

// Why something of a peer was refused.
enum class EdgeCause : size_t {
  kConnections,  // a connection: too many in all or of the peer, or no descriptor left
  kHandshake,    // a connection: its TLS failed
  kTooSlow,   // a connection or call: its beginning did not arrive in time, or answers stay unread
  kProtocol,  // a connection: against HTTP, or too many frames that say nothing
  kHead,      // a request: its head is too large
  kMessage,   // a call: its message is too large, compressed or malformed
  kBudget,    // a call: too much of the peer was kept already
};
inline constexpr size_t kEdgeCauses = 7;

// What is held for peers in memory.
enum class Held : size_t {
  kArrived,  // bytes that arrived and were not taken by a service yet
  kUnread,   // answers that their callers have not read yet
};

// Accounts for what each peer costs. Any thread may call; a connection's Account is of its thread.
class Ledger final {
 public:
  using Time = TokenBucket::Time;
  class Peer;

  explicit Ledger(const EdgeLimits& limits) : limits_(limits) {}

  // Enters a connection of the peer; null if it or all peers have too many, or if it opens them too
  // fast. `peer` is a key that PeerKey made.
  std::shared_ptr<Peer> Enter(const std::string& peer, Time now);

  // A connection was refused before it had a peer.
  void CountRefused(const std::string& peer);

  // Connections there are.
  size_t connections() const { return connections_.load(); }
  // Bytes that are kept now.
  size_t held() const { return held_.load(); }
  // How often something was refused.
  uint64_t refused(EdgeCause cause) const { return refused_[static_cast<size_t>(cause)].load(); }

 private:
  // Peers that are remembered without a connection, about; 1 MB.
  static constexpr size_t kRemembered = 4096;

  void Log(EdgeCause cause, const std::string& peer);
  void Prune() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const EdgeLimits limits_;
  std::array<std::atomic<uint64_t>, kEdgeCauses> refused_{};
  LogRateLimiter lines_{10, std::chrono::seconds(10)};
  std::atomic<size_t> connections_{0};
  std::atomic<size_t> held_{0};
  Mutex mutex_;
  // Those with connections, and some without: connecting anew must not make up for having been too
  // fast.
  absl::flat_hash_map<std::string, std::shared_ptr<Peer>> peers_ ABSL_GUARDED_BY(mutex_);
  size_t prune_at_ ABSL_GUARDED_BY(mutex_) = kRemembered;
};

// A peer. Outlives its connections; the ledger outlives it.
class Ledger::Peer final {
 public:
  Peer(Ledger* ledger, std::string key);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // A connection has ended.
  void Leave();
  // Begins a call; false if the peer begins too many.
  bool Calls(Time now);

  // So many answers are unread that the peer gets no further ones.
  bool Full() const;
  // Enters that a call, for which `own` bytes of that kind are held, needs so many more. False, and
  // nothing is entered, if what is held for others is as much as is allowed: one call, even with a
  // message of the largest size, always gets through.
  bool Hold(Held kind, size_t bytes, size_t own);
  void Release(Held kind, size_t bytes);

  // Something of this peer was refused. Logged the first time for each cause.
  void Count(EdgeCause cause);

 private:
  friend class Ledger;

  // Opens a connection; false if the peer opens too many.
  bool Connects(Time now);

  Ledger* const ledger_;  // Not owned.
  const std::string key_;
  std::atomic<size_t> connections_{0};
  std::array<std::atomic<size_t>, 2> held_{};  // by Held
  std::atomic<uint32_t> logged_{0};            // a bit for each cause
  Mutex mutex_;
  TokenBucket begun_ ABSL_GUARDED_BY(mutex_);
  TokenBucket opened_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
