#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "server/journal/decision_log.h"
#include "server/journal/line_sinks.h"
#include "third_party/annotated_mutex/mutex.h"
#include "third_party/daemon/log_rate_limiter.h"

namespace sluice::server {

// What a DecisionWriter writes.
struct DecisionWriterOptions {
  bool all = false;  // All decisions, not only those of rules with `log`.
  // Lines for each gateway. Further ones are counted, and a line says how many were left out.
  uint32_t lines_per_second = 1000;
  // Records that may wait for the writer; this many take 6 MB.
  size_t queue = 16384;
  std::chrono::nanoseconds report_interval = std::chrono::hours(1);
  // More lines for each report, besides the server's own.
  std::function<std::vector<std::string>()> report = {};
};

// Writes the log of decisions. Decided gets every decision entered into the rings, on the packet
// path; it costs a count, and a copy for decisions that are to be written. A thread of its own
// formats and writes the lines. Nobody waits for it: decisions that find no room are left out and
// counted.
class DecisionWriter final : public DecisionObserver {
 public:
  // Without sinks nothing is written.
  DecisionWriter(DecisionWriterOptions options, std::vector<std::unique_ptr<LineSink>> sinks);
  // Writes what waits, and a last report.
  ~DecisionWriter();
  DecisionWriter(const DecisionWriter&) = delete;
  DecisionWriter& operator=(const DecisionWriter&) = delete;

  void Decided(const std::string& gateway, const DecisionRecord& record) override;

  // Has files opened again, after what waits is written. Any thread may call.
  void Reopen();

 private:
  using Time = std::chrono::steady_clock::time_point;

  struct Waiting {
    std::string gateway;
    DecisionRecord record;
  };

  void Run();
  // The lines that say what was left out, due once a second.
  std::vector<std::string> LeftOut() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<std::string> Report();
  void Write(const std::vector<std::string>& lines);

  const DecisionWriterOptions options_;
  const std::vector<std::unique_ptr<LineSink>> sinks_;

  std::atomic<uint64_t> accepted_ = 0;  // Since the last report.
  std::atomic<uint64_t> dropped_ = 0;

  Mutex mutex_;
  std::condition_variable changed_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool reopen_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Waiting> queue_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, RateLimiter> limits_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, uint64_t> no_room_ ABSL_GUARDED_BY(mutex_);

  // Used by the thread alone.
  uint64_t lines_ = 0;  // Since the last report.
  uint64_t left_out_ = 0;
  std::thread thread_;
};

}  // namespace sluice::server
