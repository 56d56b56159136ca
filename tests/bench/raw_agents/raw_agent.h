#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clients/loadgen/pending_batches.h"
#include "clients/loadgen/round_trips.h"
#include "tests/bench/raw_agents/connection.h"
#include "tests/bench/raw_agents/raw_batches.h"
#include "tests/bench/raw_agents/raw_call.h"
#include "tests/bench/raw_agents/response_reader.h"

namespace sluice::bench {

// What happened to the packets that all agents asked about, in all. Once none is pending:
//
//   sent = answered + stale
struct AgentTally {
  uint64_t sent = 0;
  uint64_t answered = 0;  // In time; each counts once.
  uint64_t accepted = 0;  // Those of them answered with ACTION_ACCEPT.
  uint64_t stale = 0;     // Not answered within a second, or their agent was lost.
  uint64_t unknown = 0;   // Answers to packets that were not pending: second, late, invented ones.
  uint64_t batches = 0;   // Batches of which all packets were answered.
  uint64_t heartbeats = 0;  // That came back.
};

// One simulated agent: a connection of its own with one Decide stream. It connects only once: a
// lost stream stays lost, and is reported. Used by one thread.
class RawAgent final : private RawCall::Receiver {
 public:
  // What all agents share. Not owned.
  struct Shared {
    const ServerAddress* server = nullptr;
    const TlsClient* tls = nullptr;  // Null for plaintext.
    uint32_t batch = 0;              // Packets.
    // How many times as long as the protocol says a server may be silent or take to answer.
    int64_t patience = 1;
    RawBatches* batches = nullptr;
    AgentTally* tally = nullptr;
    loadgen::RoundTrips* round_trips = nullptr;
  };
  enum class State { kNew, kConnecting, kGreeting, kUp, kDown };

  RawAgent(std::string gateway, uint64_t incarnation, const Shared* shared);
  RawAgent(const RawAgent&) = delete;
  RawAgent& operator=(const RawAgent&) = delete;

  void Start(int64_t now_ns);
  // The socket is ready.
  void OnReady(int64_t now_ns);
  // Call it every 200 ms. `late_ns` is how late this call is because we were busy: what the server
  // sent meanwhile may be unread.
  void Tick(int64_t now_ns, int64_t late_ns);
  // From now on keeps `in_flight` batches unanswered; 0: asks about no more.
  void Keep(uint32_t in_flight, int64_t now_ns);

  State state() const { return state_; }
  // kDown: whether it was up before, and why it is down.
  bool was_up() const { return was_up_; }
  const std::string& reason() const { return reason_; }

  // -1 before Start and once it is down, which closes the socket.
  int fd() const { return connection_ == nullptr ? -1 : connection_->fd(); }
  bool wants_write() const { return connection_ != nullptr && connection_->wants_write(); }
  // Batches with an unanswered packet.
  size_t pending() const { return pending_.size(); }
  // Packets answered.
  uint64_t answered() const { return answered_; }

 private:
  void OnMessage(std::string_view bytes) override;
  void BeginCall();
  void ReadAll();
  // Asks about as many batches as are to be in flight, and writes what there is.
  void WriteMore(int64_t now_ns);
  void TakeVerdict(const RawVerdict& verdict);
  void Fail(std::string reason);

  const std::string gateway_;
  const uint64_t incarnation_;
  const Shared* const shared_;

  State state_ = State::kNew;
  bool was_up_ = false;
  std::string reason_;
  std::unique_ptr<Connection> connection_;
  std::optional<RawCall> call_;
  std::string unwritten_;
  std::vector<RawVerdict> verdicts_;  // Of the message at hand.

  int64_t started_ns_ = 0;
  int64_t heard_ns_ = 0;
  int64_t now_ns_ = 0;  // Of the call of ours that is under way.
  uint32_t in_flight_ = 0;
  uint64_t batches_ = 0;  // Sent.
  uint64_t heartbeats_ = 0;
  uint64_t answered_ = 0;
  loadgen::PendingBatches pending_;
};

}  // namespace sluice::bench
