#include "tests/bench/raw_agents/server_load.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "clients/loadgen/limits.h"
#include "tests/bench/raw_agents/fleet.h"
#include "tests/bench/raw_agents/process_usage.h"

namespace sluice::bench {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double OwnCpuSeconds() {
  const absl::StatusOr<ProcessUsage> own = UsageOf(getpid());
  return own.ok() ? own->cpu_seconds : 0;
}

std::optional<ProcessUsage> Known(const absl::StatusOr<ProcessUsage>& usage) {
  return usage.ok() ? std::optional(*usage) : std::nullopt;
}

// Measures how long a phase takes and what it costs.
class PhaseMeter final {
 public:
  // `before`: what the server had used before the first agent; none if it is not known.
  PhaseMeter(pid_t server, const std::optional<ProcessUsage>& before)
      : server_(server), before_(before), usage_(Read()), own_(OwnCpuSeconds()) {}

  loadgen::Phase End() const {
    loadgen::Phase phase;
    phase.seconds = SecondsSince(begin_);
    phase.own_cpu_seconds = OwnCpuSeconds() - own_;
    const std::optional<ProcessUsage> now = Read();
    if (usage_.has_value() && now.has_value()) {
      phase.server = loadgen::Cost{now->cpu_seconds - usage_->cpu_seconds,
                                   static_cast<int64_t>(now->resident_bytes) -
                                       static_cast<int64_t>(before_->resident_bytes)};
    }
    return phase;
  }

 private:
  std::optional<ProcessUsage> Read() const {
    return before_.has_value() ? Known(UsageOf(server_)) : std::nullopt;
  }

  const pid_t server_;
  const std::optional<ProcessUsage> before_;
  const std::optional<ProcessUsage> usage_;
  const double own_;
  const Clock::time_point begin_ = Clock::now();
};

const char* Transport(const ServerLoadOptions& options) {
  if (options.server.address.ss_family == AF_UNIX) return options.tls ? "unix+tls" : "unix";
  return options.tls ? "tls" : "tcp";
}

// What an interval added to `before`, for the agents with the fewest and the most.
void SetExtremes(const std::vector<uint64_t>& before, std::vector<uint64_t> after,
                 loadgen::Report* report) {
  for (size_t i = 0; i < after.size(); ++i) after[i] -= before[i];
  const auto [fewest, most] = std::minmax_element(after.begin(), after.end());
  report->fewest = *fewest;
  report->most = *most;
}

void MeasureBusy(const ServerLoadOptions& options, const std::optional<ProcessUsage>& before,
                 Fleet* fleet, const AgentTally& tally, loadgen::RoundTrips* round_trips,
                 ServerLoadReport* report) {
  const auto enough = [&] { return options.batches > 0 && tally.batches >= options.batches; };
  const Clock::time_point begin = Clock::now();
  fleet->Keep(options.in_flight);
  fleet->RunFor(options.warm_up.count(), enough);
  report->warm_up_seconds = SecondsSince(begin);

  loadgen::Report& load = report->load;
  *round_trips = {};
  const AgentTally first = tally;
  const std::vector<uint64_t> by_agent = fleet->AnsweredByAgent();
  const PhaseMeter meter(options.server_pid, before);
  fleet->RunFor(options.measure.count(), enough);
  load.busy = meter.End();
  load.answered = tally.answered - first.answered;
  report->measured_batches = tally.batches - first.batches;
  SetExtremes(by_agent, fleet->AnsweredByAgent(), &load);
  load.p50_us = static_cast<double>(round_trips->Percentile(0.5)) / 1e3;
  load.p99_us = static_cast<double>(round_trips->Percentile(0.99)) / 1e3;
  load.max_us = static_cast<double>(round_trips->max_ns()) / 1e3;

  fleet->Keep(0);
  // A packet is given up after its deadline, at the next heartbeat.
  fleet->RunFor(loadgen::kDeadline * options.patience + 2 * loadgen::kHeartbeatInterval,
                [fleet] { return fleet->pending() == 0; });
}

}  // namespace

absl::StatusOr<ServerLoadReport> RunServerLoad(const ServerLoadOptions& options) {
  std::optional<ProcessUsage> before;
  if (options.server_pid != 0) {
    const absl::StatusOr<ProcessUsage> usage = UsageOf(options.server_pid);
    if (!usage.ok()) return usage.status();
    before = *usage;
  }
  const TlsClient tls;
  RawBatches batches(options.batch);
  AgentTally tally;
  loadgen::RoundTrips round_trips;
  const RawAgent::Shared shared = {.server = &options.server,
                                   .tls = options.tls ? &tls : nullptr,
                                   .batch = options.batch,
                                   .patience = options.patience,
                                   .batches = &batches,
                                   .tally = &tally,
                                   .round_trips = &round_trips};
  Fleet fleet(options.agents, &shared);

  ServerLoadReport report;
  report.transport = Transport(options);
  loadgen::Report& load = report.load;
  load.server = options.address;
  load.agents = options.agents;
  load.batch = options.batch;
  load.in_flight = options.in_flight;

  const Clock::time_point begin = Clock::now();
  fleet.Connect();
  load.connect_seconds = SecondsSince(begin);
  if (options.idle.count() > 0) {
    const PhaseMeter idle(options.server_pid, before);
    fleet.RunFor(options.idle.count());
    load.idle = idle.End();
  }
  if (options.in_flight > 0) {
    MeasureBusy(options, before, &fleet, tally, &round_trips, &report);
  }
  load.connected = fleet.connected();
  load.refused = fleet.refused();
  load.lost = fleet.lost();
  load.reasons = fleet.reasons();
  load.sent = tally.sent;
  load.accepted = tally.accepted;
  load.stale = tally.stale;
  load.unknown = tally.unknown;
  report.batches = tally.batches;
  report.heartbeats = tally.heartbeats;
  return report;
}

std::string ToJson(const ServerLoadReport& report) {
  const loadgen::Report& load = report.load;
  std::string json = loadgen::ToJson(load);
  json.pop_back();  // The brace at the end.
  const double messages = static_cast<double>(report.measured_batches);
  const auto number = [](bool known, double value) {
    return known ? absl::StrFormat("%.10g", value) : "null";
  };
  const bool busy = load.busy.has_value() && load.busy->seconds > 0;
  const bool cost = busy && load.busy->server.has_value() && messages > 0;
  return absl::StrCat(
      json, ", \"transport\": \"", report.transport,
      "\", \"warm_up_seconds\": ", number(busy, report.warm_up_seconds),
      ", \"messages_per_second\": ", number(busy, busy ? messages / load.busy->seconds : 0),
      ", \"cpu_us_per_message\": ",
      number(cost, cost ? load.busy->server->cpu_seconds * 1e6 / messages : 0),
      ", \"batches\": ", report.batches, ", \"heartbeats\": ", report.heartbeats, "}");
}

}  // namespace sluice::bench
