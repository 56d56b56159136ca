#include "server/control/policy_test_stream.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/calls/peer_key.h"
#include "server/control/policy_calls.h"
#include "server/control/tested_packet.h"
#include "server/streams/silence.h"

namespace sluice::server {

PolicyTestStream::PolicyTestStream(std::shared_ptr<Call> call, const PolicyStore* policies,
                                   Places* places, Compiler* compiler, Worker* tester,
                                   Ticker* ticker)
    : BidiReactor(std::move(call)),
      policies_(policies),
      places_(places),
      compiler_(compiler),
      tester_(tester),
      ticker_(ticker) {}

void PolicyTestStream::Begin() {
  absl::StatusOr<Places::Place> place = places_->Take(PeerKey(call().peer()));
  ticker_->Add(this);
  if (!place.ok()) return End(place.status());
  place_ = *std::move(place);
  MutexLock lock(mutex_);
  if (ended_) return;
  waits_since_ = Time();
  StartRead(&request_);
}

void PolicyTestStream::OnReadDone(bool ok) {
  {
    MutexLock lock(mutex_);
    if (ended_) return;
    busy_ = ok;
    waits_since_.reset();
  }
  if (!ok) return End(absl::OkStatus());  // The caller has half-closed the stream.
  if (rules_ == nullptr) {
    TakeFirst();
  } else if (!tester_->Post([this] { TakePackets(); })) {
    Break(absl::ResourceExhaustedError(
        "this server has too many packets to test already; try again later"));
  }
}

void PolicyTestStream::TakeFirst() {
  if (request_.packets_size() > 0) {
    return Break(absl::InvalidArgumentError(
        "the first message of a TestPolicy stream says the policy, and has no packets"));
  }
  if (!request_.has_policy()) {
    rules_ = policies_->Current()->rules;
    return Answer();
  }
  compiler_->Post({.purpose = CompilePurpose::kQuestion,
                   .peer = PeerKey(call().peer()),
                   .run = [this](JobNames* names) { Compile(names); },
                   .busy = [this](const absl::Status& why) { Break(why); },
                   .gone = [this] { return Ended(); }});
}

void PolicyTestStream::Compile(JobNames* names) {
  RuleSet::Compiled compiled = policies_->Compile(request_.policy(), names->known);
  if (!Ended()) names->wanted = std::move(compiled.wanted);
  if (!names->wanted.empty()) return;
  if (compiled.rules == nullptr) return Break(StatusOf(compiled));
  rules_ = std::move(compiled.rules);
  Answer();
}

bool PolicyTestStream::Ended() {
  MutexLock lock(mutex_);
  return ended_;
}

void PolicyTestStream::TakePackets() {
  if (request_.has_policy()) {
    return Break(absl::InvalidArgumentError("a second policy on a TestPolicy stream"));
  }
  if (request_.packets_size() > kMostPackets) {
    return Break(absl::InvalidArgumentError(absl::StrCat(
        request_.packets_size(), " packets in a message; at most ", kMostPackets, " are taken")));
  }
  response_.Clear();
  for (v1::Packet& packet : *request_.mutable_packets()) {
    *response_.add_results() = TestPacket(*rules_, &packet);
  }
  Answer();
}

void PolicyTestStream::Answer() {
  MutexLock lock(mutex_);
  if (ended_) {
    busy_ = false;
    return FinishLocked();
  }
  waits_since_ = Time();
  StartWrite(&response_);
}

void PolicyTestStream::Break(const absl::Status& why) {
  MutexLock lock(mutex_);
  busy_ = false;
  if (!ended_) status_ = why;
  ended_ = true;
  FinishLocked();
}

void PolicyTestStream::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  busy_ = false;
  if (!ok && !ended_) {
    ended_ = true;
    status_ = absl::UnavailableError("the connection broke");
  }
  if (ended_) return FinishLocked();
  waits_since_ = Time();
  StartRead(&request_);
}

void PolicyTestStream::Tick(Time now) {
  MutexLock lock(mutex_);
  if (!ended_ && waits_since_) {
    if (*waits_since_ == Time()) waits_since_ = now;
    if (now - *waits_since_ >= kIdle) {
      status_ = absl::DeadlineExceededError(
          absl::StrCat("nothing was sent or read on this call for ", kIdle.count(), " s"));
      ended_ = true;
      FinishLocked();
    }
  }
  // The caller does not read, or is gone.
  if (ended_ && ++ended_ticks_ == kSilentTicks) call().Cancel();
}

void PolicyTestStream::End(const absl::Status& why) {
  MutexLock lock(mutex_);
  if (!ended_) status_ = why;
  ended_ = true;
  FinishLocked();
}

void PolicyTestStream::OnCancel() { End(absl::CancelledError("the call was cancelled")); }

void PolicyTestStream::OnDone() {
  ticker_->Remove(this);
  // The thread that called Finish may still hold the mutex.
  { MutexLock lock(mutex_); }
  delete this;
}

void PolicyTestStream::FinishLocked() {
  if (busy_ || finished_) return;
  finished_ = true;
  Finish(status_);
}

}  // namespace sluice::server
