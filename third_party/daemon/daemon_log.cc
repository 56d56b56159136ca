#include "third_party/daemon/daemon_log.h"

#include <poll.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "proto/text/text.h"

namespace sluice {
namespace {

constexpr size_t kMostWaiting = 1 << 20;
constexpr size_t kLongest = 4096;  // characters of a message
// Bytes written at once. A pipe that poll(2) reports as writable has room for this many (pipe(7)).
constexpr size_t kPiece = 4096;
constexpr std::chrono::milliseconds kGrace{100};

uint64_t Lines(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

// The state of the log's thread. It outlives the DaemonLog if the thread is stuck in a write: a
// terminal stopped with Ctrl-S reports room, but has less.
class DaemonLog::Writer final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit Writer(int fd) : fd_(fd), stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Writer() override { close(stop_fd_); }

  // The thread's main loop.
  void Run();
  // Asks Run to end; false if it does not.
  bool Stop();

 private:
  using Time = std::chrono::steady_clock::time_point;

  void sink_it_(const spdlog::details::log_msg& message) override {
    // Much of what is logged comes from others: it must not be able to forge a line of ours.
    const std::string text = OneLine({message.payload.data(), message.payload.size()}, kLongest);
    spdlog::details::log_msg safe = message;
    safe.payload = text;
    spdlog::memory_buf_t line;
    formatter_->format(safe, line);
    Add({line.data(), line.size()});
  }
  void flush_() override {}

  void Add(std::string_view line);
  // Removes from `text` what was written. False if it gave up, because it is time to stop and
  // nobody reads fast enough.
  bool Write(std::string_view& text);

  const int fd_;
  const int stop_fd_;            // Readable when it is time to stop.
  std::optional<Time> give_up_;  // Used by Run; set once it must stop.

  Mutex waiting_mutex_;
  std::condition_variable changed_;
  bool stop_ ABSL_GUARDED_BY(waiting_mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(waiting_mutex_) = false;
  std::string waiting_ ABSL_GUARDED_BY(waiting_mutex_);
  uint64_t lost_ ABSL_GUARDED_BY(waiting_mutex_) = 0;  // Lines since the last remark.
};

DaemonLog::DaemonLog(int fd, const std::string& pattern) : writer_(std::make_shared<Writer>(fd)) {
  auto logger = std::make_shared<spdlog::logger>("", writer_);
  logger->set_level(spdlog::default_logger()->level());
  logger->set_pattern(pattern);
  spdlog::set_default_logger(std::move(logger));
  MutexLock lock(stopping_);
  thread_ = std::thread([writer = writer_] { writer->Run(); });
}

DaemonLog::~DaemonLog() { Stop(); }

void DaemonLog::Stop() {
  MutexLock stopping(stopping_);
  if (!thread_.joinable()) return;
  if (writer_->Stop()) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

bool DaemonLog::Writer::Stop() {
  MutexLock lock(waiting_mutex_);
  stop_ = true;
  changed_.notify_all();
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_fd_, &one, sizeof(one));
  return lock.WaitFor(changed_, 2 * kGrace,
                      [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return ended_; });
}

void DaemonLog::Writer::Add(std::string_view line) {
  {
    MutexLock lock(waiting_mutex_);
    // Library threads may log until the program ends.
    if (stop_) return;
    if (waiting_.size() + line.size() > kMostWaiting) {
      ++lost_;
      return;
    }
    waiting_.append(line);
  }
  changed_.notify_all();
}

void DaemonLog::Writer::Run() {
  uint64_t unsaid = 0;  // Lost lines the log has not told of yet.
  for (bool last = false; !last;) {
    std::string text;
    {
      MutexLock lock(waiting_mutex_);
      lock.Wait(changed_,
                [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_ || !waiting_.empty(); });
      text.swap(waiting_);
      unsaid += std::exchange(lost_, 0);
      last = stop_;
    }
    std::string_view rest = text;
    if (!Write(rest)) break;
    unsaid += Lines(rest);
    if (unsaid == 0) continue;
    // The remark goes here, because the lost lines came after those that waited.
    const std::string remark =
        std::to_string(unsaid) + " lines of this log are lost: they could not be written in time\n";
    rest = remark;
    if (!Write(rest)) break;
    if (rest.empty()) unsaid = 0;
  }
  MutexLock lock(waiting_mutex_);
  ended_ = true;
  changed_.notify_all();
}

bool DaemonLog::Writer::Write(std::string_view& text) {
  while (!text.empty()) {
    pollfd fds[2] = {{fd_, POLLOUT, 0}, {stop_fd_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return true;
    if (fds[1].revents != 0) {
      const Time now = std::chrono::steady_clock::now();
      if (!give_up_) give_up_ = now + kGrace;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*give_up_ - now);
      if (left.count() <= 0) return false;
      if (fds[0].revents == 0 && poll(fds, 1, static_cast<int>(left.count())) <= 0) return false;
    }
    if (fds[0].revents == 0) continue;
    const ssize_t written = write(fd_, text.data(), std::min(text.size(), kPiece));
    if (written > 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      return true;  // The reader is gone, or the disk is full.
    }
  }
  return true;
}

}  // namespace sluice
