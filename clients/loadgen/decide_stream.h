#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "clients/loadgen/client_stream.h"
#include "clients/loadgen/pending_batches.h"
#include "clients/loadgen/prepared_batches.h"
#include "clients/loadgen/round_trips.h"
#include "sluice/v1/decision.grpc.pb.h"

namespace sluice::loadgen {

struct DecideTraits {
  using Request = v1::DecideRequest;
  using Response = v1::DecideResponse;
  static constexpr bool kRequired = true;
  static auto Prepare(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext* context,
                      grpc::CompletionQueue* queue) {
    return v1::DecisionService::NewStub(channel)->PrepareAsyncDecide(context, queue);
  }
};

// What happened to the packets that were asked about. Adds up once none is pending:
//
//   sent = answered + stale
//
// Counted by a worker, read by any thread.
struct Tally {
  std::atomic<uint64_t> sent = 0;
  // Packets answered in time; each counts once.
  std::atomic<uint64_t> answered = 0;
  // Those of them answered with ACTION_ACCEPT.
  std::atomic<uint64_t> accepted = 0;
  // Packets not answered within a second, or whose agent was lost.
  std::atomic<uint64_t> stale = 0;
  // Answers to packets that were not pending: second answers, late ones, invented ones.
  std::atomic<uint64_t> unknown = 0;
};

// The stream on which a simulated agent asks about packets.
class DecideStream final : public ClientStream<DecideTraits> {
 public:
  // What it shares with the other streams of its worker. Not owned.
  struct Shared {
    PreparedBatches* batches;
    Tally* tally;
    RoundTrips* round_trips;
    uint32_t batch;
  };

  DecideStream(const v1::AgentIdentity& agent, const std::string& server,
               grpc::CompletionQueue* queue, StreamOwner* owner, const Shared& shared)
      : ClientStream(server, queue, owner),
        agent_(agent),
        shared_(shared),
        pending_(shared.batch) {}

  // From now on keeps `in_flight` batches unanswered; 0: asks about no more.
  void Keep(uint32_t in_flight, int64_t now_ns);
  // Asks about one more batch, as soon as the stream can write it.
  void Ask(int64_t now_ns);
  // Asks about nothing more; batches that are on their way stay asked about.
  void StopAsking();
  // Counts all unanswered packets as stale: no more answers will come.
  void GiveUp();

  // Batches asked about with an unanswered packet, and batches still to be asked about.
  size_t pending() const { return pending_.size() + owed_; }
  // Packets answered.
  uint64_t answered() const { return answered_; }

 private:
  void FillHello(v1::DecideRequest& request) override;
  void OnMessage(const v1::DecideResponse& response, int64_t now_ns) override;
  void OnTick(int64_t now_ns) override;
  void WriteMore(int64_t now_ns) override;
  void Take(const v1::Verdict& verdict, int64_t now_ns);

  const v1::AgentIdentity& agent_;
  const Shared shared_;
  PendingBatches pending_;
  uint32_t in_flight_ = 0;
  size_t owed_ = 0;       // Batches to ask about that are not written yet.
  uint64_t batches_ = 0;  // Sent.
  uint64_t answered_ = 0;
};

}  // namespace sluice::loadgen
