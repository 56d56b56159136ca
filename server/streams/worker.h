#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// One or more threads for work that would keep gRPC's threads from serving packets: compiling a
// policy, asking DNS, collecting history for an observer. Jobs are started in the order they were
// posted. Any thread may post.
class Worker final {
 public:
  // At most `backlog` jobs wait, besides those that run.
  explicit Worker(size_t backlog = 64, size_t threads = 1);
  // Runs all jobs that were posted, then ends.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False, and the job is not taken, if the backlog is full.
  [[nodiscard]] bool Post(std::function<void()> job);

 private:
  void Run();

  const size_t backlog_;
  Mutex mutex_;
  std::condition_variable changed_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::function<void()>> jobs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace sluice::server
