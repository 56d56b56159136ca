#include "server/journal/decision_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::server {
namespace {

// The lines a sink was given, and a gate at which it waits.
struct Written {
  void WaitFor(size_t count) {
    MutexLock lock(mutex);
    lock.Wait(changed, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return lines.size() >= count; });
  }
  std::vector<std::string> Lines() {
    MutexLock lock(mutex);
    return lines;
  }
  void Open(bool now) {
    {
      MutexLock lock(mutex);
      open = now;
    }
    changed.notify_all();
  }
  void WaitUntilHeldUp() {
    MutexLock lock(mutex);
    lock.Wait(changed, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return held_up; });
  }

  Mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> lines;
  bool open = true;
  bool held_up = false;
};

class FakeSink final : public LineSink {
 public:
  explicit FakeSink(Written* written) : written_(written) {}

  void Write(const std::vector<std::string>& lines) override {
    Wait();
    Add(lines);
  }
  void Reopen() override { Add({"reopened"}); }

 private:
  void Wait() {
    MutexLock lock(written_->mutex);
    written_->held_up = true;
    written_->changed.notify_all();
    lock.Wait(written_->changed, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return written_->open; });
    written_->held_up = false;
  }
  void Add(const std::vector<std::string>& lines) {
    {
      MutexLock lock(written_->mutex);
      written_->lines.insert(written_->lines.end(), lines.begin(), lines.end());
    }
    written_->changed.notify_all();
  }

  Written* const written_;
};

DecisionRecord Record(bool logged, v1::Action action = v1::ACTION_DROP) {
  DecisionRecord record{};
  record.cause = v1::CAUSE_VERDICT;
  record.action = static_cast<uint8_t>(action);
  record.logged = logged;
  record.SetReason("default");
  return record;
}

class DecisionWriterTest : public testing::Test {
 protected:
  void Begin(DecisionWriterOptions options = {}) {
    std::vector<std::unique_ptr<LineSink>> sinks;
    sinks.push_back(std::make_unique<FakeSink>(&written_));
    writer_ = std::make_unique<DecisionWriter>(std::move(options), std::move(sinks));
  }

  // All lines, once the writer has ended.
  std::vector<std::string> End() {
    writer_.reset();
    return written_.Lines();
  }

  static bool Contains(const std::string& line, const std::string& part) {
    return line.find(part) != std::string::npos;
  }

  Written written_;
  std::unique_ptr<DecisionWriter> writer_;
};

TEST_F(DecisionWriterTest, WritesWhatRulesLogAndAReportAtTheEnd) {
  Begin({.report = [] { return std::vector<std::string>{"and the gateways'"}; }});
  writer_->Decided("gw1", Record(true));
  writer_->Decided("gw1", Record(false));
  writer_->Decided("gw2", Record(true, v1::ACTION_ACCEPT));
  const std::vector<std::string> lines = End();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(Contains(lines[0], "gateway=gw1 action=drop")) << lines[0];
  EXPECT_TRUE(Contains(lines[1], "gateway=gw2 action=accept")) << lines[1];
  EXPECT_TRUE(Contains(lines[2], "report=server packets=3 accepted=1 dropped=2 lines=2 left_out=0"))
      << lines[2];
  EXPECT_EQ(lines[3], "and the gateways'");
}

TEST_F(DecisionWriterTest, WritesAllIfAsked) {
  Begin({.all = true});
  writer_->Decided("gw1", Record(false));
  EXPECT_EQ(End().size(), 2u);
}

TEST_F(DecisionWriterTest, LeavesOutWhatIsTooMuchAndSaysSo) {
  Begin({.lines_per_second = 3});
  for (int i = 0; i < 100; ++i) writer_->Decided("gw1", Record(true));
  writer_->Decided("gw2", Record(true));
  const std::vector<std::string> lines = End();
  uint64_t left_out = 0, decisions = 0;
  for (const std::string& line : lines) {
    if (const size_t at = line.find("gateway=gw1 left_out="); at != std::string::npos) {
      left_out += std::stoul(line.substr(at + 21));
      EXPECT_TRUE(Contains(line, "reason=\"more than 3 lines a second\"")) << line;
    }
    decisions += Contains(line, "gateway=gw1 action=");
  }
  EXPECT_GE(decisions, 3u);
  EXPECT_EQ(decisions + left_out, 100u);
  EXPECT_GT(left_out, 0u);
  EXPECT_TRUE(Contains(lines.back(), "left_out=" + std::to_string(left_out))) << lines.back();
}

TEST_F(DecisionWriterTest, NeverWaitsForASink) {
  Begin({.lines_per_second = 1'000'000, .queue = 10});
  written_.Open(false);
  writer_->Decided("gw1", Record(true));
  written_.WaitUntilHeldUp();
  for (int i = 0; i < 100; ++i) writer_->Decided("gw1", Record(true));
  written_.Open(true);
  const std::vector<std::string> lines = End();
  ASSERT_EQ(lines.size(), 13u);
  EXPECT_TRUE(Contains(lines[11], "gateway=gw1 left_out=90 reason=\"written too slowly\""))
      << lines[11];
}

TEST_F(DecisionWriterTest, ReopensBehindWhatHasCome) {
  Begin();
  writer_->Decided("gw1", Record(true));
  writer_->Reopen();
  written_.WaitFor(2);
  writer_->Decided("gw1", Record(true));
  const std::vector<std::string> lines = End();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[1], "reopened");
}

TEST_F(DecisionWriterTest, ReportsAgainAndAgain) {
  Begin({.report_interval = std::chrono::nanoseconds(1)});
  written_.WaitFor(3);
  for (const std::string& line : written_.Lines()) EXPECT_TRUE(Contains(line, "report=server"));
}

}  // namespace
}  // namespace sluice::server
