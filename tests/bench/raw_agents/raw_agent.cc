#include "tests/bench/raw_agents/raw_agent.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "clients/loadgen/limits.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::bench {
namespace {

constexpr char kPath[] = "/sluice.v1.DecisionService/Decide";

// What sluice-loadgen says.
std::string Hello(const std::string& gateway, uint64_t incarnation) {
  v1::DecideRequest request;
  v1::DecideHello& hello = *request.mutable_hello();
  hello.mutable_agent()->set_gateway(gateway);
  hello.mutable_agent()->set_incarnation(incarnation);
  hello.mutable_agent()->set_agent_version("server_load");
  v1::Capabilities& capabilities = *hello.mutable_capabilities();
  capabilities.add_actions(v1::ACTION_ACCEPT);
  capabilities.add_actions(v1::ACTION_DROP);
  for (const v1::Scope scope :
       {v1::SCOPE_PACKET, v1::SCOPE_CONNECTION, v1::SCOPE_PEER, v1::SCOPE_SOURCE}) {
    capabilities.add_scopes(scope);
  }
  for (const v1::Notify notify : {v1::NOTIFY_HOST_UNREACHABLE, v1::NOTIFY_ADMIN_PROHIBITED,
                                  v1::NOTIFY_PORT_UNREACHABLE, v1::NOTIFY_TCP_RESET}) {
    capabilities.add_notifies(notify);
  }
  capabilities.set_conntrack_info(true);
  hello.mutable_deadline()->set_seconds(loadgen::kDeadline / loadgen::kSecond);
  hello.set_max_pending(65'536);
  return request.SerializeAsString();
}

}  // namespace

RawAgent::RawAgent(std::string gateway, uint64_t incarnation, const Shared* shared)
    : gateway_(std::move(gateway)),
      incarnation_(incarnation),
      shared_(shared),
      pending_(shared->batch) {}

void RawAgent::Start(int64_t now_ns) {
  started_ns_ = heard_ns_ = now_ns_ = now_ns;
  state_ = State::kConnecting;
  absl::StatusOr<std::unique_ptr<Connection>> begun =
      Connection::Begin(*shared_->server, shared_->tls);
  if (!begun.ok()) return Fail(std::string(begun.status().message()));
  connection_ = *std::move(begun);
}

void RawAgent::OnReady(int64_t now_ns) {
  if (connection_ == nullptr) return;
  now_ns_ = now_ns;
  if (state_ == State::kConnecting) {
    const absl::StatusOr<bool> established = connection_->Establish();
    if (!established.ok()) return Fail(std::string(established.status().message()));
    if (!*established) return;
    BeginCall();
  } else {
    ReadAll();
  }
  WriteMore(now_ns);
}

void RawAgent::Tick(int64_t now_ns, int64_t late_ns) {
  if (state_ == State::kNew || state_ == State::kDown) return;
  now_ns_ = now_ns;
  heard_ns_ = std::min(heard_ns_ + late_ns, now_ns);
  if (state_ != State::kUp) {
    if (now_ns - started_ns_ >= loadgen::kWelcomeTimeout) {
      Fail("it did not welcome us within 10 s");
    }
    return;
  }
  if (const int64_t silence_ns = loadgen::kSilence * shared_->patience;
      now_ns - heard_ns_ >= silence_ns) {
    return Fail(absl::StrCat("it was silent for ", silence_ns / loadgen::kMillisecond, " ms"));
  }
  shared_->tally->stale += pending_.Expire(now_ns - loadgen::kDeadline * shared_->patience);
  v1::DecideRequest request;
  request.mutable_heartbeat()->set_sequence(++heartbeats_);
  AppendGrpcMessage(request.SerializeAsString(), call_->outgoing());
  WriteMore(now_ns);
}

void RawAgent::Keep(uint32_t in_flight, int64_t now_ns) {
  in_flight_ = in_flight;
  now_ns_ = now_ns;
  WriteMore(now_ns);
}

void RawAgent::BeginCall() {
  state_ = State::kGreeting;
  RawCall::Receiver* const receiver = this;  // Only we see that base.
  call_.emplace(kPath, shared_->server->authority, shared_->tls != nullptr, receiver);
  AppendGrpcMessage(Hello(gateway_, incarnation_), call_->outgoing());
}

void RawAgent::ReadAll() {
  std::array<char, 32 << 10> buffer;
  // A full buffer means that there may be more; epoll says so otherwise, but knows nothing of what
  // TLS has taken already.
  bool more = true;
  while (more) {
    const absl::StatusOr<size_t> length = connection_->Read(buffer);
    if (!length.ok()) {
      return Fail(call_->ended() ? call_->Reason() : std::string(length.status().message()));
    }
    if (*length == 0) return;
    call_->Receive({buffer.data(), *length});
    if (call_->ended()) return Fail(call_->Reason());
    more = state_ != State::kDown && (*length == buffer.size() || connection_->buffered());
  }
}

void RawAgent::WriteMore(int64_t now_ns) {
  if (!call_.has_value() || state_ == State::kDown) return;
  while (state_ == State::kUp && pending_.size() < in_flight_) {
    shared_->batches->Append(++batches_, RawBatches::kFirstId - 1 + pending_.Add(now_ns),
                             call_->outgoing());
    shared_->tally->sent += shared_->batch;
  }
  call_->Flush(&unwritten_);
  if (call_->ended()) return Fail(call_->Reason());
  const absl::Status written = connection_->Write(&unwritten_);
  if (!written.ok()) Fail(std::string(written.message()));
}

void RawAgent::OnMessage(std::string_view bytes) {
  if (state_ == State::kDown) return;
  heard_ns_ = now_ns_;
  const ResponseKind kind = ReadResponse(bytes, &verdicts_);
  if (state_ == State::kGreeting) {
    if (kind != ResponseKind::kWelcome) return Fail("it did not begin with a welcome");
    state_ = State::kUp;
    was_up_ = true;
    return;
  }
  switch (kind) {
    case ResponseKind::kMalformed:
      return Fail("it sent a message we cannot read");
    case ResponseKind::kWelcome:
      return Fail("it sent a second welcome");
    case ResponseKind::kHeartbeat:
      ++shared_->tally->heartbeats;
      return;
    case ResponseKind::kVerdicts:
      for (const RawVerdict& verdict : verdicts_) TakeVerdict(verdict);
      return;
    case ResponseKind::kEmpty:
    case ResponseKind::kRetune:
      return;
  }
}

void RawAgent::TakeVerdict(const RawVerdict& verdict) {
  // It asks for more time and is not an answer.
  if (verdict.action == v1::ACTION_HOLD) return;
  AgentTally& tally = *shared_->tally;
  // An id below the first wraps to one that was never sent.
  const loadgen::PendingBatches::Answered answer =
      pending_.Answer(verdict.transaction_id - (RawBatches::kFirstId - 1), now_ns_);
  if (!answer.known) {
    ++tally.unknown;
    return;
  }
  ++answered_;
  ++tally.answered;
  if (verdict.action == v1::ACTION_ACCEPT) ++tally.accepted;
  if (!answer.round_trip_ns.has_value()) return;
  ++tally.batches;
  shared_->round_trips->Record(*answer.round_trip_ns);
}

void RawAgent::Fail(std::string reason) {
  if (state_ == State::kDown) return;
  state_ = State::kDown;
  reason_ = std::move(reason);
  in_flight_ = 0;
  shared_->tally->stale += pending_.Expire(INT64_MAX);
  // `call_` stays, as it may be calling us.
  connection_.reset();
}

}  // namespace sluice::bench
