#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/streams/batch_window.h"
#include "agent/streams/conversation.h"
#include "agent/streams/decision_listener.h"
#include "agent/streams/stream_poller.h"
#include "sluice/v1/decision.grpc.pb.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

struct DecideTraits {
  using Request = v1::DecideRequest;
  using Response = v1::DecideResponse;
  static constexpr char kService[] = "sluice.v1.DecisionService";
  static constexpr bool kRequired = true;
  static auto Prepare(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext* context,
                      grpc::CompletionQueue* queue) {
    return v1::DecisionService::NewStub(channel)->PrepareAsyncDecide(context, queue);
  }
};

// The agent's end of a Decide conversation (decision.proto). BatchWindow says how many batches may
// be under way. Owned by a queue's loop, whose thread makes every call.
class DecisionClient final : private Conversation<DecideTraits>::Listener {
 public:
  DecisionClient(v1::DecideHello hello, std::vector<std::string> servers,
                 DecisionListener* listener /* not owned */, StreamPoller* poller /* not owned */);

  // Hands what has come to the listener and does what is due.
  void Run(int64_t now_ns);
  // When Run is next due even if nothing comes; monotonic clock.
  int64_t NextTimer() const {
    const int64_t look_ns = window_.under_way() > 0 ? now_ns_ + kLookAgain : INT64_MAX;
    return std::min({conversation_.NextTimer(), opens_ns_, look_ns});
  }

  // A batch may be sent now: the stream is welcomed, no write is under way and the window is open.
  // If not, the poller's Wait returns, or Run is due, when that changes.
  bool CanSend();
  // Numbers and sends a batch. `batch` is serialized on return, and otherwise unchanged. To the
  // window it leaves when the turn began: turns are short compared to the times that the window
  // tells apart.
  void Send(v1::PacketBatch& batch);

  // Ends a turn of Run, CanSend and Send. `pending`: packets wait for their verdicts.
  void EndTurn(bool pending) { conversation_.EndTurn(pending || window_.under_way() > 0); }

  // Leaves a decider that is of no use, if there is another server to go to. `reason` is logged in
  // either case, once a stream.
  void Leave(int64_t now_ns, const std::string& reason);

  bool connected() const { return conversation_.welcomed(); }
  // Smoothed.
  int64_t round_trip_ns() const { return conversation_.round_trip_ns(); }
  const std::string& server() const { return conversation_.server(); }
  uint64_t connects() const { return conversation_.connects(); }

 private:
  // How soon to look again at the completion queue. One of gRPC's own threads (it has them for
  // timers) may complete a read in the moment before this thread sleeps, and does not wake it then:
  // pollset_work in ev_poll_posix.cc of gRPC 1.51, asked not to wait. That is rare, but an answer
  // must not lie there until its packets are stale.
  static constexpr int64_t kLookAgain = 5'000'000;

  void FillHello(v1::DecideRequest& request) override;
  absl::Status OnWelcome(const v1::DecideResponse& response) override;
  absl::Status OnMessage(v1::DecideResponse& response) override;
  void OnLost() override;
  void OnNobody() override;

  const v1::DecideHello hello_;
  DecisionListener* const listener_;  // Not owned.
  Conversation<DecideTraits> conversation_;
  int64_t errors_due_ns_ = 0;
  BatchWindow window_;
  int64_t now_ns_ = 0;            // of the last Run
  int64_t opens_ns_ = INT64_MAX;  // when the window opens, if only that kept a batch back
};

}  // namespace sluice::agent
