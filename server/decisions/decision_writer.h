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
#include "server/decisions/decision_log.h"
#include "server/decisions/line_sink.h"
#include "third_party/annotated_mutex/mutex.h"
#include "third_party/daemon/line_limit.h"

namespace sluice::server {

// What a DecisionWriter writes.
struct DecisionWriterOptions {
  bool all = false;  // Not only what rules with `log` decide.
  // Lines of each gateway; what goes beyond is counted and said.
  uint32_t lines_per_second = 1000;
  // Records that may wait for the writer: 6 MB.
  size_t queue = 16384;
  std::chrono::nanoseconds report_interval = std::chrono::hours(1);
  // The lines of a report, beside the server's own.
  std::function<std::vector<std::string>()> report = {};
};

// Writes the log of decisions. What is entered into the rings comes by Decided, on the packet path,
// which costs a count and, of what is to be written, a copy; a thread of its own formats and
// writes. It is never waited for: what finds no room is left out and counted.
class DecisionWriter final : public DecisionObserver {
 public:
  // Without a sink nothing is written.
  DecisionWriter(DecisionWriterOptions options, std::vector<std::unique_ptr<LineSink>> sinks);
  // Writes what has come, and a last report.
  ~DecisionWriter();
  DecisionWriter(const DecisionWriter&) = delete;
  DecisionWriter& operator=(const DecisionWriter&) = delete;

  void Decided(const std::string& gateway, const DecisionRecord& record) override;

  // Any thread: has files opened again, behind what has come so far.
  void Reopen();

 private:
  using Time = std::chrono::steady_clock::time_point;

  struct Waiting {
    std::string gateway;
    DecisionRecord record;
  };

  void Run();
  // What is left out is said once a second.
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
  absl::flat_hash_map<std::string, LineLimit> limits_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, uint64_t> no_room_ ABSL_GUARDED_BY(mutex_);

  // The thread's.
  uint64_t lines_ = 0;  // Since the last report.
  uint64_t left_out_ = 0;
  std::thread thread_;
};

}  // namespace sluice::server
