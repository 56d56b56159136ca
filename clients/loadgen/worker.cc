#include "clients/loadgen/worker.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"

namespace sluice::loadgen {
namespace {

// A real fleet reconnects with some jitter. An overflowing queue of connections to be accepted
// (listen(2)) would say nothing about the server.
constexpr size_t kMostConnecting = 64;

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Worker::Worker(const Options& options, Progress* progress)
    : options_(options), progress_(progress), batches_(options.batch) {
  const DecideStream::Shared shared = {&batches_, &tally_, &round_trips_, options.batch};
  for (uint32_t i = 0; i < options.agents; ++i) {
    agents_.push_back(std::make_unique<SimulatedAgent>(absl::StrCat("loadgen-", options.first + i),
                                                       options.incarnation, options.server, &queue_,
                                                       shared, this));
  }
  thread_ = std::thread([this] { Run(); });
}

Worker::~Worker() { Stop(); }

void Worker::Load() { Tell(&load_); }

void Worker::Drain() { Tell(&drain_); }

void Worker::Stop() {
  if (!thread_.joinable()) return;
  Tell(&stop_);
  thread_.join();
}

std::vector<uint64_t> Worker::AnsweredByAgent() {
  std::vector<uint64_t> answered;
  for (const auto& agent : agents_) answered.push_back(agent->decide().answered());
  return answered;
}

uint32_t Worker::OnlyDeciding() const {
  return static_cast<uint32_t>(std::count_if(
      agents_.begin(), agents_.end(), [](const auto& agent) { return agent->only_decides(); }));
}

// The thread learns of a phase only through the queue. The queue therefore stays open until the
// alarm that tells the thread to stop has gone off.
void Worker::Tell(PhaseTag* phase) {
  alarms_.push_back(std::make_unique<grpc::Alarm>());
  alarms_.back()->Set(&queue_, std::chrono::system_clock::now(), static_cast<Stream::Tag*>(phase));
}

void Worker::OnUp(SimulatedAgent*) {
  --connecting_;
  progress_->Up();
}

void Worker::OnDown(SimulatedAgent*, bool was_up, const std::string& reason) {
  if (was_up) {
    progress_->Lost(reason);
  } else {
    --connecting_;
    progress_->Refused(reason);
  }
}

void Worker::Run() {
  StartAgents(Now());
  void* tag = nullptr;
  bool ok = false;
  while (phase_ != Phase::kStop || !AllEnded()) {
    const int64_t wait_ns = std::max<int64_t>(NextTimer() - Now(), 0);
    const auto event = queue_.AsyncNext(
        &tag, &ok, std::chrono::system_clock::now() + std::chrono::nanoseconds(wait_ns));
    const int64_t now_ns = Now();
    if (event == grpc::CompletionQueue::GOT_EVENT) {
      const auto* const what = static_cast<Stream::Tag*>(tag);
      if (what->stream != nullptr) {
        what->stream->OnEvent(what->event, ok, now_ns);
      } else {
        Enter(static_cast<const PhaseTag*>(what)->phase, now_ns);
      }
    }
    FinishDraining();
    RunTimers(now_ns);
  }
  queue_.Shutdown();
  while (queue_.Next(&tag, &ok)) {
  }
}

void Worker::Enter(Phase phase, int64_t now_ns) {
  phase_ = phase;
  if (phase_ == Phase::kLoad && options_.batches_rate > 0) {
    schedule_.emplace(options_.batches_rate, now_ns);
  }
  for (const auto& agent : agents_) {
    if (phase_ == Phase::kLoad && agent->up()) agent->decide().Keep(options_.in_flight, now_ns);
    if (phase_ == Phase::kDrain) agent->decide().StopAsking();
    if (phase_ == Phase::kStop) agent->Cancel();
  }
  if (phase_ != Phase::kLoad) schedule_.reset();
}

void Worker::FinishDraining() {
  if (phase_ != Phase::kDrain || drained_ || Pending() > 0) return;
  drained_ = true;
  progress_->Drained();
}

void Worker::RunTimers(int64_t now_ns) {
  StartAgents(now_ns);
  while (!ticks_.empty() && ticks_.front().due_ns <= now_ns) {
    Tick tick = ticks_.front();
    ticks_.pop_front();
    tick.agent->Tick(now_ns, now_ns - tick.due_ns);
    tick.due_ns = now_ns + kHeartbeatInterval;
    if (!tick.agent->ended()) ticks_.push_back(tick);
  }
  if (!schedule_.has_value()) return;
  for (uint64_t due = schedule_->Take(now_ns); due > 0; --due) {
    agents_[turn_]->decide().Ask(now_ns);
    turn_ = (turn_ + 1) % agents_.size();
  }
}

void Worker::StartAgents(int64_t now_ns) {
  while (phase_ != Phase::kStop && started_ < agents_.size() && connecting_ < kMostConnecting) {
    SimulatedAgent* const agent = agents_[started_++].get();
    ++connecting_;
    agent->Start(now_ns);
    ticks_.push_back({now_ns + kHeartbeatInterval, agent});
  }
}

int64_t Worker::NextTimer() const {
  int64_t next = ticks_.empty() ? Now() + kSecond : ticks_.front().due_ns;
  if (schedule_.has_value()) next = std::min(next, schedule_->NextDue());
  return next;
}

bool Worker::AllEnded() const {
  return std::all_of(agents_.begin(), agents_.end(),
                     [](const auto& agent) { return agent->ended(); });
}

size_t Worker::Pending() {
  size_t pending = 0;
  for (const auto& agent : agents_) pending += agent->decide().pending();
  return pending;
}

}  // namespace sluice::loadgen
