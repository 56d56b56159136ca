#include "server/journal/decision_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/journal/decision_line.h"

namespace sluice::server {
namespace {

constexpr std::chrono::seconds kLeftOutInterval{1};
// Beyond this all limits are reset, so that gateways that are gone are not kept for ever. Twice as
// many as a Registry has gateways.
constexpr size_t kMostLimits = 2048;

}  // namespace

DecisionWriter::DecisionWriter(DecisionWriterOptions options,
                               std::vector<std::unique_ptr<LineSink>> sinks)
    : options_(std::move(options)), sinks_(std::move(sinks)), thread_([this] { Run(); }) {}

DecisionWriter::~DecisionWriter() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DecisionWriter::Decided(const std::string& gateway, const DecisionRecord& record) {
  (record.action == v1::ACTION_ACCEPT ? accepted_ : dropped_)
      .fetch_add(1, std::memory_order_relaxed);
  if (!record.logged && !options_.all) return;
  const Time now = std::chrono::steady_clock::now();
  {
    MutexLock lock(mutex_);
    RateLimiter& limit =
        limits_.try_emplace(gateway, options_.lines_per_second, std::chrono::seconds(1))
            .first->second;
    if (!limit.Allow(now)) return;
    if (queue_.size() >= options_.queue) {
      ++no_room_[gateway];
      return;
    }
    queue_.push_back({gateway, record});
    if (queue_.size() > 1) return;  // The writer was woken for the first.
  }
  changed_.notify_one();
}

void DecisionWriter::Reopen() {
  {
    MutexLock lock(mutex_);
    reopen_ = true;
  }
  changed_.notify_one();
}

void DecisionWriter::Run() {
  Time left_out_due = std::chrono::steady_clock::now() + kLeftOutInterval;
  Time report_due = std::chrono::steady_clock::now() + options_.report_interval;
  std::vector<Waiting> taken;
  for (bool stop = false; !stop;) {
    bool reopen = false;
    std::vector<std::string> left_out;
    taken.clear();
    {
      MutexLock lock(mutex_);
      lock.WaitFor(changed_, kLeftOutInterval, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return stop_ || reopen_ || !queue_.empty();
      });
      stop = stop_;
      reopen = std::exchange(reopen_, false);
      taken.swap(queue_);
      const Time now = std::chrono::steady_clock::now();
      if (stop || now >= left_out_due) {
        left_out_due = now + kLeftOutInterval;
        left_out = LeftOut();
      }
    }
    std::vector<std::string> lines;
    lines.reserve(taken.size());
    for (const Waiting& waiting : taken) {
      lines.push_back(DecisionLine(waiting.gateway, waiting.record));
    }
    lines_ += lines.size();
    lines.insert(lines.end(), left_out.begin(), left_out.end());
    if (const Time now = std::chrono::steady_clock::now(); stop || now >= report_due) {
      report_due = now + options_.report_interval;
      const std::vector<std::string> report = Report();
      lines.insert(lines.end(), report.begin(), report.end());
    }
    if (!lines.empty()) Write(lines);
    if (reopen) {
      for (const auto& sink : sinks_) sink->Reopen();
    }
  }
}

std::vector<std::string> DecisionWriter::LeftOut() {
  std::vector<std::string> lines;
  const auto now = std::chrono::system_clock::now();
  for (auto& [gateway, limit] : limits_) {
    const uint64_t count = limit.TakeLeftOut();
    if (count == 0) continue;
    left_out_ += count;
    lines.push_back(
        LeftOutLine(now, gateway, count,
                    absl::StrCat("more than ", options_.lines_per_second, " lines a second")));
  }
  for (const auto& [gateway, count] : no_room_) {
    left_out_ += count;
    lines.push_back(LeftOutLine(now, gateway, count, "written too slowly"));
  }
  no_room_.clear();
  if (limits_.size() > kMostLimits) limits_.clear();
  return lines;
}

std::vector<std::string> DecisionWriter::Report() {
  std::vector<std::string> lines = {ServerReportLine(
      std::chrono::system_clock::now(), accepted_.exchange(0), dropped_.exchange(0),
      std::exchange(lines_, 0), std::exchange(left_out_, 0))};
  if (options_.report) {
    const std::vector<std::string> more = options_.report();
    lines.insert(lines.end(), more.begin(), more.end());
  }
  return lines;
}

void DecisionWriter::Write(const std::vector<std::string>& lines) {
  for (const auto& sink : sinks_) sink->Write(lines);
}

}  // namespace sluice::server
