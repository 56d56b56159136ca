#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>

namespace sluice::bench {

// Calls of operator new by this thread so far. Linking this library replaces operator new by one
// that counts.
uint64_t Allocations();

// Reports what a benchmark's loop allocated for each of its packets. Create it after a first pass,
// when everything that the loop reuses exists.
class PerPacket final {
 public:
  explicit PerPacket(benchmark::State& state) : state_(state), before_(Allocations()) {}
  // Call it after the loop, each turn of which had `packets`.
  void Report(int64_t packets) {
    const auto all = static_cast<double>(state_.iterations() * packets);
    state_.counters["allocations/packet"] = static_cast<double>(Allocations() - before_) / all;
    state_.SetItemsProcessed(state_.iterations() * packets);
  }

 private:
  benchmark::State& state_;
  const uint64_t before_;
};

}  // namespace sluice::bench
