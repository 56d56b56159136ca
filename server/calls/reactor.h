#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <utility>

#include "server/calls/call_queue.h"

namespace sluice::server {

// What reacts to what becomes of a call, in the terms of gRPC's callback interface
// (grpcpp/support/server_callback.h): a read, a write and the end may be under way at once, and
// each is told of by one reaction; OnDone is the last. The queue's threads call the reactions, of
// one reactor possibly several at once.
class Reactor {
 public:
  // The call will come to nothing: the caller cancelled, or is gone. Finish is still called for.
  virtual void OnCancel() {}
  // Finish was called and everything under way has been told of. The reactor may be deleted.
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
  friend class Departure;
  // The caller's departure and Finish will be told of, whatever happens.
  std::atomic<int> under_way_{2};
};

// Tells a reactor when its call is over, whoever ended it. gRPC wants to know of it before there
// is a call, and may tell before there is a reactor.
class Departure final : public Completion {
 public:
  explicit Departure(grpc::ServerContext* context) : context_(context) {
    context_->AsyncNotifyWhenDone(Tag());
  }

  // The reactor is made, and may be told.
  void TellTo(Reactor* reactor) {
    reactor_ = reactor;
    if (state_.exchange(kReactor) == kDeparted) Tell();
  }

  void Complete(bool) override {
    if (state_.exchange(kDeparted) == kReactor) Tell();
  }

 private:
  enum State : int { kNothing, kReactor, kDeparted };

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
