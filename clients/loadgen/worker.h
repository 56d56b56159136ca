#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "clients/loadgen/decide_stream.h"
#include "clients/loadgen/prepared_batches.h"
#include "clients/loadgen/progress.h"
#include "clients/loadgen/rate_schedule.h"
#include "clients/loadgen/round_trips.h"
#include "clients/loadgen/simulated_agent.h"
#include "clients/loadgen/stream.h"

namespace sluice::loadgen {

// One thread and its share of the agents: handles the events of their streams, sends their
// heartbeats, and makes them ask. The public functions are called by the owner's thread.
class Worker final : public AgentOwner {
 public:
  struct Options {
    std::string server;
    uint64_t incarnation = 0;
    uint32_t first = 1;       // Number of its first agent; number 1 is called loadgen-1.
    uint32_t agents = 1;      // At least 1.
    uint32_t batch = 1;       // Packets.
    uint32_t in_flight = 0;   // Batches each agent keeps unanswered while there is load, or
    double batches_rate = 0;  // batches a second, by its agents in turn. One of the two is 0.
  };

  // Starts to connect. `progress` is not owned.
  Worker(const Options& options, Progress* progress);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Makes the agents ask.
  void Load();
  // Makes them stop asking. Calls Progress::Drained once nothing is unanswered.
  void Drain();
  // Ends all streams and the thread.
  void Stop();

  const Tally& tally() const { return tally_; }
  // Only after Stop: how long the answered batches took, and how many packets of each agent were
  // answered.
  const RoundTrips& round_trips() const { return round_trips_; }
  std::vector<uint64_t> AnsweredByAgent();
  // Only after Stop: agents whose server lacks Report or Serve.
  uint32_t OnlyDeciding() const;

 private:
  enum class Phase { kIdle, kLoad, kDrain, kStop };
  // The completion queue returns this when the owner wants another phase. It belongs to no stream.
  struct PhaseTag : Stream::Tag {
    explicit PhaseTag(Phase which) : phase(which) {}
    const Phase phase;
  };
  struct Tick {
    int64_t due_ns = 0;
    SimulatedAgent* agent = nullptr;
  };

  void OnUp(SimulatedAgent* agent) override;
  void OnDown(SimulatedAgent* agent, bool was_up, const std::string& reason) override;

  void Tell(PhaseTag* phase);
  void Run();
  void RunTimers(int64_t now_ns);
  void Enter(Phase phase, int64_t now_ns);
  void FinishDraining();
  void StartAgents(int64_t now_ns);
  int64_t NextTimer() const;
  bool AllEnded() const;
  size_t Pending();

  const Options options_;
  Progress* const progress_;
  Tally tally_;
  RoundTrips round_trips_;
  PreparedBatches batches_;
  grpc::CompletionQueue queue_;
  PhaseTag load_{Phase::kLoad};
  PhaseTag drain_{Phase::kDrain};
  PhaseTag stop_{Phase::kStop};
  // They put the tags above into the queue; one for each phase told so far.
  std::vector<std::unique_ptr<grpc::Alarm>> alarms_;

  // Used by the thread only.
  std::vector<std::unique_ptr<SimulatedAgent>> agents_;
  Phase phase_ = Phase::kIdle;
  size_t started_ = 0;
  size_t connecting_ = 0;
  bool drained_ = false;
  std::deque<Tick> ticks_;  // By time, as each agent's ticks are 200 ms apart.
  std::optional<RateSchedule> schedule_;
  size_t turn_ = 0;

  std::thread thread_;
};

}  // namespace sluice::loadgen
