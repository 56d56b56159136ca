#include "server/streams/ticker.h"

namespace sluice::server {

Ticker::Ticker() : thread_([this] { Run(); }) {}

Ticker::~Ticker() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
  thread_.join();
}

void Ticker::Add(Ticked* ticked) {
  MutexLock lock(mutex_);
  ticked_.insert(ticked);
  if (end_) ticked->End(*end_);
}

void Ticker::Remove(Ticked* ticked) {
  MutexLock lock(mutex_);
  ticked_.erase(ticked);
}

void Ticker::EndAll(const absl::Status& why) {
  MutexLock lock(mutex_);
  end_ = why;
  for (Ticked* ticked : ticked_) ticked->End(why);
}

void Ticker::Run() {
  MutexLock lock(mutex_);
  while (
      !lock.WaitFor(stopped_, kPeriod, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_; })) {
    const Ticked::Time now = std::chrono::steady_clock::now();
    for (Ticked* ticked : ticked_) ticked->Tick(now);
  }
}

}  // namespace sluice::server
