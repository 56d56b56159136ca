// The agent's packets between question and answer: the table alone with different numbers of
// pending packets, and the whole way of a packet through the pipeline.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "agent/packets/pending_table.h"
#include "tests/bench/programs/allocations.h"
#include "tests/bench/programs/pipeline_turns.h"

namespace sluice::agent {
namespace {

using bench::PerPacket;

constexpr size_t kCapacity = 65'536;
constexpr uint32_t kStream = 1;

PendingPacket Packet(int64_t deadline_ns) {
  PendingPacket packet;
  packet.stream = kStream;
  packet.deadline_ns = deadline_ns;
  packet.bytes = 92;
  return packet;
}

// The oldest packet is answered and another comes.
void AnswerOldest(benchmark::State& state) {
  PendingTable table(0, kCapacity, SIZE_MAX);
  int64_t now = 0;
  std::vector<uint64_t> ids(static_cast<size_t>(state.range(0)));
  for (uint64_t& id : ids) id = table.Insert(Packet(++now));
  size_t next = 0;
  PerPacket per_packet(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.Take(ids[next], kStream));
    ids[next] = table.Insert(Packet(++now));
    next = next + 1 == ids.size() ? 0 : next + 1;
  }
  per_packet.Report(1);
}

// The oldest packet becomes stale and another comes.
void ExpireOldest(benchmark::State& state) {
  PendingTable table(0, kCapacity, SIZE_MAX);
  int64_t now = 0;
  while (now < state.range(0)) table.Insert(Packet(++now));
  PerPacket per_packet(state);
  for (auto _ : state) {
    ++now;
    benchmark::DoNotOptimize(table.TakeExpired(now - state.range(0)));
    table.Insert(Packet(now));
  }
  per_packet.Report(1);
}

// Runs state.range(0) packets a turn.
void Pipeline(benchmark::State& state) {
  bench::PipelineTurns pipeline(static_cast<int>(state.range(1)));
  PerPacket per_packet(state);
  for (auto _ : state) pipeline.Turn(state.range(0));
  per_packet.Report(state.range(0));
  if (!pipeline.AllAccepted()) state.SkipWithError("not all were asked about");
}

BENCHMARK(AnswerOldest)->Arg(10)->Arg(1000)->Arg(60'000);
BENCHMARK(ExpireOldest)->Arg(10)->Arg(1000)->Arg(60'000);
BENCHMARK(Pipeline)->Args({1, 4})->Args({20, 4})->Args({256, 4})->Args({20, 6});

}  // namespace
}  // namespace sluice::agent

BENCHMARK_MAIN();
