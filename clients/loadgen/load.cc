#include "clients/loadgen/load.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "clients/loadgen/progress.h"
#include "clients/loadgen/server_usage.h"
#include "clients/loadgen/worker.h"

namespace sluice::loadgen {
namespace {

using Workers = std::vector<std::unique_ptr<Worker>>;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Half of the processors: a load that takes all of them measures itself. A thread can run about a
// thousand agents, and eight threads are enough to load any server.
uint32_t WorkersFor(uint32_t agents) {
  return std::min(std::clamp(std::thread::hardware_concurrency() / 2, 1U, 8U), agents);
}

Workers StartWorkers(const LoadOptions& options, Progress* progress) {
  Workers workers;
  const uint64_t incarnation = std::random_device()();
  const uint32_t count = WorkersFor(options.agents);
  for (uint32_t i = 0, first = 0; i < count; ++i) {
    const uint32_t next = options.agents * (i + 1) / count;
    Worker::Options part = {.server = options.server,
                            .incarnation = incarnation,
                            .first = first + 1,
                            .agents = next - first,
                            .batch = options.batch,
                            .in_flight = options.in_flight};
    part.batches_rate = options.rate / options.batch * part.agents / options.agents;
    workers.push_back(std::make_unique<Worker>(part, progress));
    first = next;
  }
  return workers;
}

uint64_t Answered(const Workers& workers) {
  uint64_t answered = 0;
  for (const auto& worker : workers) answered += worker->tally().answered;
  return answered;
}

// Measures how long a phase takes and what it costs.
class PhaseMeter final {
 public:
  // `before`: the server's memory before the first agent.
  PhaseMeter(ServerUsage* server, const std::optional<Usage>& before)
      : server_(server), before_(before), usage_(server->Read()), own_(OwnCpuSeconds()) {}

  // Excludes the time that asking the server takes.
  double seconds() const { return SecondsSince(begin_); }

  Phase End() {
    Phase phase;
    phase.seconds = seconds();
    phase.own_cpu_seconds = OwnCpuSeconds() - own_;
    const std::optional<Usage> now = server_->Read();
    if (before_.has_value() && usage_.has_value() && now.has_value()) {
      phase.server = Cost{now->cpu_seconds - usage_->cpu_seconds,
                          static_cast<int64_t>(now->resident_bytes) -
                              static_cast<int64_t>(before_->resident_bytes)};
    }
    return phase;
  }

 private:
  ServerUsage* const server_;
  const std::optional<Usage> before_;
  const std::optional<Usage> usage_;
  const double own_;
  const Clock::time_point begin_ = Clock::now();
};

void MeasureBusy(const LoadOptions& options, const std::optional<Usage>& before,
                 ServerUsage* server, const Workers& workers, Progress* progress, Report* report) {
  PhaseMeter meter(server, before);
  for (const auto& worker : workers) worker->Load();
  progress->WaitFor(options.phase);
  report->answered = Answered(workers);
  report->busy = meter.End();
  for (const auto& worker : workers) worker->Drain();
  progress->WaitUntilDrained(static_cast<uint32_t>(workers.size()));
}

void Summarize(const Workers& workers, Report* report) {
  RoundTrips all;
  std::vector<uint64_t> by_agent;
  for (const auto& worker : workers) {
    worker->Stop();
    const Tally& tally = worker->tally();
    report->sent += tally.sent;
    report->accepted += tally.accepted;
    report->stale += tally.stale;
    report->unknown += tally.unknown;
    all.Add(worker->round_trips());
    for (const uint64_t answered : worker->AnsweredByAgent()) by_agent.push_back(answered);
    report->only_deciding += worker->OnlyDeciding();
  }
  report->p50_us = static_cast<double>(all.Percentile(0.5)) / 1e3;
  report->p99_us = static_cast<double>(all.Percentile(0.99)) / 1e3;
  report->max_us = static_cast<double>(all.max_ns()) / 1e3;
  const auto [fewest, most] = std::minmax_element(by_agent.begin(), by_agent.end());
  report->fewest = *fewest;
  report->most = *most;
}

}  // namespace

Report RunLoad(const LoadOptions& options) {
  Report report;
  report.server = options.server;
  report.agents = options.agents;
  report.batch = options.batch;
  report.in_flight = options.in_flight;
  report.rate = options.rate;

  ServerUsage server(options.server);
  const std::optional<Usage> before = server.Read();
  report.no_usage = server.problem();

  Progress progress(options.agents);
  const Clock::time_point begin = Clock::now();
  const Workers workers = StartWorkers(options, &progress);
  progress.WaitUntilSettled();
  report.connect_seconds = SecondsSince(begin);

  PhaseMeter idle(&server, before);
  progress.WaitFor(options.phase);
  report.idle = idle.End();
  if (options.in_flight > 0 || options.rate > 0) {
    MeasureBusy(options, before, &server, workers, &progress, &report);
  }
  const Progress::Counts counts = progress.counts();
  report.connected = counts.connected;
  report.refused = counts.refused;
  report.lost = counts.lost;
  report.reasons = counts.reasons;
  Summarize(workers, &report);
  return report;
}

}  // namespace sluice::loadgen
