#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/calls/methods.h"
#include "tests/interop/interop.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::interop {

// Calls of the cases: those that have reached the service, and those that have ended.
struct CallCounts {
  std::atomic<int64_t> begun{0};
  std::atomic<int64_t> ended{0};
};

// What interop.proto's InteropService does, on the server's seam. Outlives its calls.
class CaseService final {
 public:
  // `stop` is told of a call of Stop, by any thread, and returns at once.
  explicit CaseService(std::function<void(std::chrono::milliseconds grace)> stop);
  // Once all calls have ended.
  ~CaseService();
  CaseService(const CaseService&) = delete;
  CaseService& operator=(const CaseService&) = delete;

  void AddTo(server::Methods* methods);

  const CallCounts& counts() const { return counts_; }

 private:
  using AnswerCall = server::UnaryCall<Request, Response>;

  void Answer(AnswerCall* call);

  const std::function<void(std::chrono::milliseconds grace)> stop_;
  CallCounts counts_;
  Mutex mutex_;
  // One for each call of Answer that sleeps: it is told of no cancellation, so it looks.
  std::vector<std::thread> sleepers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::interop
