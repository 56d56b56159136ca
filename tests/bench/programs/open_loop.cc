#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "tests/bench/programs/loops.h"

namespace sluice::bench {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1000 * kMs;

void SleepUntil(int64_t time_ns) {
  const timespec until = {.tv_sec = time_ns / kSecond, .tv_nsec = time_ns % kSecond};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

struct Schedule {
  int64_t start_ns;
  int64_t begin_ns;  // Of the measured interval.
  int64_t end_ns;
};

// What the sending thread returns when it is joined.
struct SentTimes {
  std::vector<int64_t> sent_ns;
  std::vector<int64_t> late_ns;
};

void SendOnSchedule(uint32_t rate, const Schedule& schedule, UdpFlows& flows, SentTimes& result) {
  // The default slack of 50 us would bunch the probes.
  prctl(PR_SET_TIMERSLACK, 1);
  for (uint64_t i = 0;; ++i) {
    const int64_t due_ns = schedule.start_ns + static_cast<int64_t>(i * kSecond / rate);
    if (due_ns >= schedule.end_ns) return;
    SleepUntil(due_ns);
    Probe probe{.sequence = i};
    const int64_t sent_ns = flows.Send(i % flows.size(), {&probe, 1});
    result.sent_ns.push_back(sent_ns);
    if (due_ns >= schedule.begin_ns) result.late_ns.push_back(sent_ns - due_ns);
  }
}

}  // namespace

OpenLoopMeasured RunOpenLoop(const OpenLoopOptions& options, UdpFlows& flows) {
  Schedule schedule{.start_ns = NowNs() + kMs, .begin_ns = 0, .end_ns = 0};
  schedule.begin_ns = schedule.start_ns + options.warm_up.count() * kMs;
  schedule.end_ns = schedule.begin_ns + options.measure.count() * kMs;

  SentTimes sent;
  std::thread sender([&] { SendOnSchedule(options.rate, schedule, flows, sent); });

  MeasuredInterval interval;
  uint64_t received = 0;
  const auto receive_until = [&](auto done) {
    while (!done(NowNs())) {
      const std::span<const Probe> replies = flows.Receive(milliseconds(1));
      const int64_t now = NowNs();
      for (const Probe& reply : replies) interval.Received(reply, now);
      received += replies.size();
    }
  };
  receive_until([&](int64_t now) { return now >= schedule.begin_ns; });
  interval.Begin(NowNs());
  receive_until([&](int64_t now) { return now >= schedule.end_ns; });
  interval.End(NowNs());
  sender.join();

  for (const int64_t sent_ns : sent.sent_ns) interval.Sent(sent_ns, 1);
  const int64_t give_up_ns = NowNs() + options.drain.count() * kMs;
  receive_until([&](int64_t now) { return received >= sent.sent_ns.size() || now >= give_up_ns; });

  OpenLoopMeasured result{.measured = interval.Finish()};
  if (!sent.late_ns.empty()) {
    std::sort(sent.late_ns.begin(), sent.late_ns.end());
    result.send_delay_p99_us =
        static_cast<double>(sent.late_ns[(sent.late_ns.size() - 1) * 99 / 100]) / 1e3;
  }
  return result;
}

}  // namespace sluice::bench
