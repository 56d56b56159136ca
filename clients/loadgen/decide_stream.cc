#include "clients/loadgen/decide_stream.h"

namespace sluice::loadgen {

void DecideStream::Keep(uint32_t in_flight, int64_t now_ns) {
  in_flight_ = in_flight;
  WriteNext(now_ns);
}

void DecideStream::Ask(int64_t now_ns) {
  if (!welcomed()) return;
  ++owed_;
  WriteNext(now_ns);
}

void DecideStream::StopAsking() {
  in_flight_ = 0;
  owed_ = 0;
}

void DecideStream::GiveUp() {
  StopAsking();
  shared_.tally->stale += pending_.Expire(INT64_MAX);
}

void DecideStream::FillHello(v1::DecideRequest& request) {
  v1::DecideHello& hello = *request.mutable_hello();
  *hello.mutable_agent() = agent_;
  // What an agent with the default configuration offers.
  v1::Capabilities& capabilities = *hello.mutable_capabilities();
  for (const v1::Action action : {v1::ACTION_ACCEPT, v1::ACTION_DROP}) {
    capabilities.add_actions(action);
  }
  for (const v1::Scope scope :
       {v1::SCOPE_PACKET, v1::SCOPE_CONNECTION, v1::SCOPE_PEER, v1::SCOPE_SOURCE}) {
    capabilities.add_scopes(scope);
  }
  for (const v1::Notify notify : {v1::NOTIFY_HOST_UNREACHABLE, v1::NOTIFY_ADMIN_PROHIBITED,
                                  v1::NOTIFY_PORT_UNREACHABLE, v1::NOTIFY_TCP_RESET}) {
    capabilities.add_notifies(notify);
  }
  capabilities.set_conntrack_info(true);
  hello.mutable_deadline()->set_seconds(kDeadline / kSecond);
  hello.set_max_pending(65'536);
}

void DecideStream::OnMessage(const v1::DecideResponse& response, int64_t now_ns) {
  for (const v1::Verdict& verdict : response.verdicts().verdicts()) Take(verdict, now_ns);
  WriteNext(now_ns);
}

void DecideStream::Take(const v1::Verdict& verdict, int64_t now_ns) {
  // It asks for more time and is not an answer.
  if (verdict.action() == v1::ACTION_HOLD) return;
  const PendingBatches::Answered answer = pending_.Answer(verdict.transaction_id(), now_ns);
  if (!answer.known) {
    shared_.tally->unknown += 1;
    return;
  }
  ++answered_;
  shared_.tally->answered += 1;
  if (verdict.action() == v1::ACTION_ACCEPT) shared_.tally->accepted += 1;
  if (answer.round_trip_ns.has_value()) shared_.round_trips->Record(*answer.round_trip_ns);
}

void DecideStream::OnTick(int64_t now_ns) {
  shared_.tally->stale += pending_.Expire(now_ns - kDeadline);
}

void DecideStream::WriteMore(int64_t now_ns) {
  if (pending_.size() >= in_flight_ && owed_ == 0) return;
  if (owed_ > 0) --owed_;
  Write(shared_.batches->Next(++batches_, pending_.Add(now_ns)));
  shared_.tally->sent += shared_.batch;
}

}  // namespace sluice::loadgen
