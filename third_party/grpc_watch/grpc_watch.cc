#include "third_party/grpc_watch/grpc_watch.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice {
namespace {

constexpr std::chrono::milliseconds kInterval{100};

// nullopt once the thread has ended.
std::optional<int64_t> Read(clockid_t clock) {
  timespec time{};
  if (clock_gettime(clock, &time) != 0) return std::nullopt;
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

}  // namespace

// Looks at all watched threads now and then, on a thread that lasts as long as the program.
class GrpcWatch::Watcher final {
 public:
  static Watcher& Get() {
    static auto* const watcher = new Watcher;  // Never destroyed: watches may outlive main.
    return *watcher;
  }

  void Add(GrpcWatch* watch) {
    {
      MutexLock lock(mutex_);
      watches_.push_back(watch);
    }
    added_.notify_one();
  }

  // Once this returns, the watch is not used any more.
  void Remove(GrpcWatch* watch) {
    MutexLock lock(mutex_);
    std::erase(watches_, watch);
  }

 private:
  Watcher() {
    std::thread([this] { Run(); }).detach();
  }

  [[noreturn]] void Run() {
    while (true) {
      {
        MutexLock lock(mutex_);
        lock.Wait(added_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !watches_.empty(); });
        for (GrpcWatch* watch : watches_) Look(*watch);
      }
      std::this_thread::sleep_for(kInterval);
    }
  }

  static void Look(GrpcWatch& watch) {
    const std::optional<int64_t> now = Read(watch.clock_);
    if (!now) return;
    const uint64_t crossings = watch.crossings_.load(std::memory_order_relaxed);
    const bool inside = crossings % 2 != 0;
    if (!inside || crossings != watch.seen_) {
      watch.seen_ = crossings;
      watch.entered_ns_ = *now;
    } else if (*now - watch.entered_ns_ >= kMostBusyNs && watch.ShutDownFullest()) {
      spdlog::warn(
          "a connection was ended: what its server sends keeps gRPC busy without end; it may "
          "attack this program");
      watch.entered_ns_ = *now;
    }
  }

  Mutex mutex_;
  std::condition_variable added_;
  std::vector<GrpcWatch*> watches_ ABSL_GUARDED_BY(mutex_);  // Not owned.
};

GrpcWatch::~GrpcWatch() {
  if (watching_) Watcher::Get().Remove(this);
}

std::shared_ptr<ChannelSockets> GrpcWatch::Watch(grpc::ChannelArguments& arguments) {
  std::shared_ptr<ChannelSockets> sockets = ChannelSockets::Of(arguments);
  MutexLock lock(mutex_);
  std::erase_if(channels_, [](const auto& channel) { return channel.expired(); });
  channels_.push_back(sockets);
  return sockets;
}

bool GrpcWatch::ShutDownFullest() {
  std::shared_ptr<ChannelSockets> fullest;
  int most = 0;
  MutexLock lock(mutex_);
  for (const auto& weak : channels_) {
    const std::shared_ptr<ChannelSockets> channel = weak.lock();
    const int unread = channel != nullptr ? channel->MostUnread() : 0;
    if (unread <= most) continue;
    most = unread;
    fullest = channel;
  }
  if (fullest != nullptr) fullest->ShutDown();
  return fullest != nullptr;
}

void GrpcWatch::Begin() {
  watching_ = true;
  // A thread's own clock always exists.
  pthread_getcpuclockid(pthread_self(), &clock_);
  entered_ns_ = Read(clock_).value_or(0);
  Watcher::Get().Add(this);
}

}  // namespace sluice
