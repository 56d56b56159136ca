#include "server/streams/ticker.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

class Recorder final : public Ticked {
 public:
  void Tick(Time) override {
    MutexLock lock(mutex_);
    ++ticks_;
    changed_.notify_all();
  }
  void End(const absl::Status& why) override {
    MutexLock lock(mutex_);
    ended_ = std::string(why.message());
    changed_.notify_all();
  }
  void AwaitTicks(int ticks) {
    MutexLock lock(mutex_);
    lock.Wait(changed_, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return ticks_ >= ticks; });
  }
  std::string ended() {
    MutexLock lock(mutex_);
    return ended_;
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  int ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string ended_ ABSL_GUARDED_BY(mutex_);
};

TEST(TickerTest, TicksWhatWasAdded) {
  Recorder recorder;
  Ticker ticker;
  ticker.Add(&recorder);
  recorder.AwaitTicks(3);
  ticker.Remove(&recorder);
}

TEST(TickerTest, EndsWhatIsThereAndWhatComesLater) {
  Recorder early;
  Recorder late;
  Ticker ticker;
  ticker.Add(&early);
  ticker.EndAll(absl::UnavailableError("going down"));
  EXPECT_EQ(early.ended(), "going down");
  ticker.Add(&late);
  EXPECT_EQ(late.ended(), "going down");
  ticker.Remove(&early);
  ticker.Remove(&late);
}

TEST(TickerTest, StopsWithNothingAdded) { Ticker ticker; }

}  // namespace
}  // namespace sluice::server
