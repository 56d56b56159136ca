#include "server/streams/worker.h"

#include <utility>

namespace sluice::server {

Worker::Worker(size_t backlog, size_t threads) : backlog_(backlog) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

Worker::~Worker() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Worker::Post(std::function<void()> job) {
  {
    MutexLock lock(mutex_);
    if (jobs_.size() >= backlog_) return false;
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
  return true;
}

void Worker::Run() {
  while (true) {
    std::function<void()> job;
    {
      MutexLock lock(mutex_);
      lock.Wait(changed_,
                [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace sluice::server
