#include "clients/loadgen/simulated_agent.h"

#include "absl/strings/str_cat.h"

namespace sluice::loadgen {
namespace {

v1::AgentIdentity Identity(const std::string& gateway, uint64_t incarnation) {
  v1::AgentIdentity identity;
  identity.set_gateway(gateway);
  identity.set_incarnation(incarnation);
  identity.set_agent_version("loadgen");
  return identity;
}

}  // namespace

SimulatedAgent::SimulatedAgent(const std::string& gateway, uint64_t incarnation,
                               const std::string& server, grpc::CompletionQueue* queue,
                               const DecideStream::Shared& shared, AgentOwner* owner)
    : identity_(Identity(gateway, incarnation)),
      owner_(owner),
      decide_side_(this, "Decide"),
      report_side_(this, "Report"),
      serve_side_(this, "Serve"),
      decide_(identity_, server, queue, &decide_side_, shared),
      report_(identity_, server, queue, &report_side_),
      serve_(identity_, server, queue, &serve_side_) {}

void SimulatedAgent::Start(int64_t now_ns) {
  state_ = State::kConnecting;
  for (Stream* const stream : Streams()) {
    ++open_;
    ++unsettled_;
    stream->Start(now_ns);
  }
}

void SimulatedAgent::Tick(int64_t now_ns, int64_t late_ns) {
  for (Stream* const stream : Streams()) stream->Tick(now_ns, late_ns);
}

void SimulatedAgent::Cancel() {
  state_ = State::kDown;
  for (Stream* const stream : Streams()) stream->Cancel();
}

void SimulatedAgent::Settled() {
  if (--unsettled_ > 0 || state_ != State::kConnecting) return;
  state_ = State::kUp;
  owner_->OnUp(this);
}

void SimulatedAgent::Side::OnWelcome(int64_t) { agent_->Settled(); }

void SimulatedAgent::Side::OnEnd(const std::string& reason, int64_t) {
  --agent_->open_;
  if (reason.empty()) {
    ++agent_->not_offered_;
    agent_->Settled();
    return;
  }
  if (agent_->state_ == State::kDown) return;
  const bool was_up = agent_->up();
  agent_->Cancel();
  agent_->decide_.GiveUp();
  agent_->owner_->OnDown(agent_, was_up, absl::StrCat(call_, ": ", reason));
}

}  // namespace sluice::loadgen
