#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/bench/programs/loops.h"

namespace sluice::bench {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kMs = 1'000'000;

// A place in the window, with the probe that fills it.
struct Slot {
  uint64_t sequence = 0;
  int64_t sent_ns = 0;
};

class ClosedLoop final {
 public:
  ClosedLoop(const ClosedLoopOptions& options, UdpFlows& flows)
      : options_(options), flows_(flows), slots_(options.in_flight), to_send_(flows.size()) {}

  Measured Run() {
    for (uint32_t slot = 0; slot < slots_.size(); ++slot) Refill(slot);
    SendAll();
    Until(NowNs() + options_.warm_up.count() * kMs);
    interval_.Begin(NowNs());
    Until(NowNs() + options_.measure.count() * kMs);
    interval_.End(NowNs());
    const int64_t give_up_ns = NowNs() + options_.drain.count() * kMs;
    while (interval_.outstanding() > 0 && NowNs() < give_up_ns) Receive(/*refill=*/false);
    return interval_.Finish();
  }

 private:
  void Until(int64_t end_ns) {
    while (NowNs() < end_ns) {
      Receive(/*refill=*/true);
      RefillLost(NowNs());
      SendAll();
    }
  }

  void Receive(bool refill) {
    const std::span<const Probe> replies = flows_.Receive(milliseconds(1));
    const int64_t now = NowNs();
    for (const Probe& reply : replies) {
      interval_.Received(reply, now);
      smoothed_ns_ += (now - reply.sent_ns - smoothed_ns_) / 64;
      const bool current =
          reply.slot < slots_.size() && slots_[reply.slot].sequence == reply.sequence;
      if (refill && current) Refill(reply.slot);
    }
  }

  // Replaces probes that have been under way for four times the usual round trip. Checks once a
  // millisecond.
  void RefillLost(int64_t now) {
    if (now - looked_ns_ < kMs) return;
    looked_ns_ = now;
    const int64_t oldest = now - std::clamp(4 * smoothed_ns_, 5 * kMs, 200 * kMs);
    for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
      if (slots_[slot].sent_ns < oldest) Refill(slot);
    }
  }

  void Refill(uint32_t slot) {
    slots_[slot] = {.sequence = ++last_sequence_, .sent_ns = INT64_MAX};
    to_send_[slot % flows_.size()].push_back({.sequence = last_sequence_, .slot = slot});
  }

  void SendAll() {
    for (size_t flow = 0; flow < to_send_.size(); ++flow) {
      std::vector<Probe>& probes = to_send_[flow];
      if (probes.empty()) continue;
      const int64_t sent_ns = flows_.Send(flow, probes);
      for (const Probe& probe : probes) slots_[probe.slot].sent_ns = sent_ns;
      interval_.Sent(sent_ns, probes.size());
      probes.clear();
    }
  }

  const ClosedLoopOptions options_;
  UdpFlows& flows_;
  std::vector<Slot> slots_;
  std::vector<std::vector<Probe>> to_send_;  // By flow.
  MeasuredInterval interval_;
  uint64_t last_sequence_ = 0;
  int64_t smoothed_ns_ = 10 * kMs;
  int64_t looked_ns_ = 0;
};

}  // namespace

Measured RunClosedLoop(const ClosedLoopOptions& options, UdpFlows& flows) {
  return ClosedLoop(options, flows).Run();
}

}  // namespace sluice::bench
