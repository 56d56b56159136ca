#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "server/calls/bidi_reactor.h"
#include "server/policies/compiler.h"
#include "server/policies/policy_store.h"
#include "server/policy/rule_set.h"
#include "server/streams/places.h"
#include "server/streams/ticker.h"
#include "server/streams/worker.h"
#include "sluice/v1/control.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// One TestPolicy call. It reads a message, answers it and reads the next; a caller that does not
// read the answers is not read from either, and a caller that neither sends nor reads for kIdle
// loses its call. The Compiler compiles the policy and a worker decides the packets, to keep this
// work off the threads that gateways wait for. Made with new; deletes itself.
class PolicyTestStream final : public BidiReactor<v1::TestPolicyRequest, v1::TestPolicyResponse>,
                               public Ticked {
 public:
  // Calls at once, as each may have a policy of its own in memory.
  static constexpr size_t kMost = 16;
  // How long the call waits for its caller. It holds one of few places, and a tool can begin anew.
  static constexpr std::chrono::seconds kIdle{60};
  // Packets in one message. Bounds the size of the answer.
  static constexpr int kMostPackets = 8192;

  PolicyTestStream(std::shared_ptr<Call> call, const PolicyStore* policies, Places* places,
                   Compiler* compiler, Worker* tester, Ticker* ticker);
  void Begin();

  void Tick(Time now) override;
  void End(const absl::Status& why) override;
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  ~PolicyTestStream() override = default;

  void TakeFirst();
  void Compile(JobNames* names);
  bool Ended();
  void TakePackets();
  void Answer();
  // Ends the call; called by the reaction at work.
  void Break(const absl::Status& why);
  void FinishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const PolicyStore* const policies_;  // Not owned, nor are the next four.
  Places* const places_;
  Compiler* const compiler_;
  Worker* const tester_;
  Ticker* const ticker_;

  // Used by the reaction at work; there is one at a time.
  v1::TestPolicyRequest request_;
  v1::TestPolicyResponse response_;
  std::shared_ptr<const RuleSet> rules_;  // Null until the first message.
  Places::Place place_;

  Mutex mutex_;
  // A compilation, test or write is under way that will come back to this call.
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  // Since when the caller is waited for, to send or to read. No value while it is not; Time() until
  // the next tick.
  std::optional<Time> waits_since_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int ended_ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
