#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <utility>

#include "server/calls/call_queue.h"

namespace sluice::server {

// Reacts to the events of one call, in the terms of gRPC's callback interface
// (grpcpp/support/server_callback.h). A read, a write and Finish may be under way at once; one
// reaction reports the end of each. OnDone is the last reaction. The queue's threads call the
// reactions, possibly several of one reactor at once.
class Reactor {
 public:
  // The call has failed: the caller cancelled, or is gone. Finish must still be called.
  virtual void OnCancel() {}
  // Finish was called and nothing is under way any more. The reactor may be deleted.
  virtual void OnDone() = 0;

 protected:
  Reactor() = default;
  virtual ~Reactor() = default;

  void Begin() { under_way_.fetch_add(1); }
  // A reaction is over.
  void Over() {
    if (under_way_.fetch_sub(1) == 1) OnDone();
  }

 private:
  friend class CallEnd;
  // Two from the start: gRPC always reports the end of the call and that of Finish.
  std::atomic<int> under_way_{2};
};

// Notifies a reactor when its call is over, whoever ended it. gRPC must be given the tag before the
// call arrives, and may report the end before there is a reactor.
class CallEnd final : public Completion {
 public:
  explicit CallEnd(grpc::ServerContext* context) : context_(context) {
    context_->AsyncNotifyWhenDone(Tag());
  }

  // The reactor has been made and may be notified from now on.
  void TellTo(Reactor* reactor) {
    reactor_ = reactor;
    if (state_.exchange(kReactor) == kEnded) Tell();
  }

  void Complete(bool) override {
    if (state_.exchange(kEnded) == kReactor) Tell();
  }

 private:
  enum State : int { kNothing, kReactor, kEnded };

  void Tell() {
    if (context_->IsCancelled()) reactor_->OnCancel();
    reactor_->Over();
  }

  grpc::ServerContext* const context_;  // Not owned.
  Reactor* reactor_ = nullptr;          // Not owned.
  std::atomic<int> state_{kNothing};
};

// One operation of a reactor: calls a method of it.
template <typename Owner, void (Owner::*kReaction)(bool ok)>
class Operation final : public Completion {
 public:
  explicit Operation(Owner* owner) : owner_(owner) {}
  void Complete(bool ok) override { (owner_->*kReaction)(ok); }

 private:
  Owner* const owner_;
};

}  // namespace sluice::server
