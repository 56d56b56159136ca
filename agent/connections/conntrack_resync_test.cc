#include "agent/connections/conntrack_resync.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

using Instant = ConntrackResync::Instant;
using std::chrono::milliseconds;

// Writes down what is posted, one word each.
class Sink final : public EventSink {
 public:
  void Post(v1::Event event) override {
    if (event.has_gap()) {
      words_.push_back(absl::StrCat("gap", event.gap().cause()));
    } else if (event.has_resync_done()) {
      words_.push_back(absl::StrCat("done", event.resync_done().connections()));
    } else {
      const char* type = event.conntrack().type() == v1::EVENT_TYPE_NEW       ? "new"
                         : event.conntrack().type() == v1::EVENT_TYPE_UPDATE  ? "update"
                         : event.conntrack().type() == v1::EVENT_TYPE_DESTROY ? "destroy"
                                                                              : "snapshot";
      words_.push_back(absl::StrCat(type, event.conntrack().flow().id()));
    }
  }
  // The words since the last call.
  std::vector<std::string> Sent() { return std::exchange(words_, {}); }

 private:
  std::vector<std::string> words_;
};

using Words = std::vector<std::string>;

v1::Event Of(v1::EventType type, uint32_t id, uint32_t status = 8) {
  v1::Event event;
  event.mutable_conntrack()->set_type(type);
  v1::Flow& flow = *event.mutable_conntrack()->mutable_flow();
  flow.set_id(id);
  flow.set_status(status);
  flow.mutable_original()->set_source_port(id);
  return event;
}
v1::Event New(uint32_t id) { return Of(v1::EVENT_TYPE_NEW, id); }
v1::Event Update(uint32_t id) { return Of(v1::EVENT_TYPE_UPDATE, id); }
v1::Event Destroy(uint32_t id) { return Of(v1::EVENT_TYPE_DESTROY, id, 0x208); }
v1::Event Entry(uint32_t id) { return Of(v1::EVENT_TYPE_SNAPSHOT, id); }

class ConntrackResyncTest : public testing::Test {
 protected:
  void Follow(std::vector<v1::Event> events) { resync_.Follow(events); }
  void Snapshot(std::vector<v1::Event> entries) { resync_.Snapshot(entries); }
  void Gap(v1::GapCause cause) { resync_.MarkGap(cause, 0, {}); }
  void Overrun() { Gap(v1::GAP_CAUSE_KERNEL_OVERRUN); }

  Sink sink_;
  ConntrackResync resync_{&sink_};
  const Instant start_ = Instant() + milliseconds(5000);
};

TEST_F(ConntrackResyncTest, FollowsWithoutADump) {
  Follow({New(1), Update(1), Destroy(1)});
  EXPECT_EQ(sink_.Sent(), (Words{"new1", "update1", "destroy1"}));
  EXPECT_FALSE(resync_.due());
}

TEST_F(ConntrackResyncTest, GapSnapshotDone) {
  Gap(v1::GAP_CAUSE_STREAM_START);
  EXPECT_EQ(sink_.Sent(), (Words{"gap1"}));
  ASSERT_TRUE(resync_.due());
  EXPECT_LE(*resync_.due(), start_) << "the first dump waits for nothing";
  resync_.DumpStarted(start_);
  EXPECT_FALSE(resync_.due());
  Snapshot({Entry(1), Entry(2)});
  Snapshot({Entry(3)});
  resync_.DumpDone({});
  EXPECT_EQ(sink_.Sent(), (Words{"snapshot1", "snapshot2", "snapshot3", "done3"}));
  EXPECT_FALSE(resync_.due());
  EXPECT_FALSE(resync_.dumping());
}

TEST_F(ConntrackResyncTest, EventsComeAfterTheChunkThatMayBeOlder) {
  Gap(v1::GAP_CAUSE_STREAM_START);
  resync_.DumpStarted(start_);
  sink_.Sent();
  Follow({Update(2)});
  EXPECT_EQ(sink_.Sent(), Words{});
  Snapshot({Entry(1), Entry(2)});
  EXPECT_EQ(sink_.Sent(), (Words{"snapshot1", "snapshot2", "update2"}));
  Follow({Update(1)});
  resync_.DumpDone({});
  EXPECT_EQ(sink_.Sent(), (Words{"update1", "done2"}));
}

TEST_F(ConntrackResyncTest, WhatEndedIsNoSnapshot) {
  Gap(v1::GAP_CAUSE_STREAM_START);
  resync_.DumpStarted(start_);
  sink_.Sent();
  Follow({Destroy(1)});
  Snapshot({Entry(1), Entry(2)});
  // Nor in a later chunk.
  Snapshot({Entry(1)});
  EXPECT_EQ(sink_.Sent(), (Words{"snapshot2", "destroy1"}));
  // Unless it began again, with the same id and addresses.
  Follow({New(1)});
  Snapshot({Entry(1)});
  // On its way out of the table: its end was reported or is about to be.
  Snapshot({Of(v1::EVENT_TYPE_SNAPSHOT, 4, 0x208)});
  resync_.DumpDone({});
  EXPECT_EQ(sink_.Sent(), (Words{"snapshot1", "new1", "done2"}));
}

TEST_F(ConntrackResyncTest, TombstonesEndWithTheDump) {
  Gap(v1::GAP_CAUSE_STREAM_START);
  resync_.DumpStarted(start_);
  Follow({Destroy(1)});
  resync_.DumpDone({});
  Overrun();
  resync_.DumpStarted(start_ + milliseconds(1000));
  sink_.Sent();
  Snapshot({Entry(1)});
  EXPECT_EQ(sink_.Sent(), (Words{"snapshot1"}));
}

TEST_F(ConntrackResyncTest, AtMostOneDumpASecond) {
  Gap(v1::GAP_CAUSE_STREAM_START);
  resync_.DumpStarted(start_);
  resync_.DumpDone({});
  Overrun();
  Follow({New(1)});
  Overrun();
  EXPECT_EQ(sink_.Sent(), (Words{"gap1", "done0", "gap2", "new1", "gap2"}));
  ASSERT_TRUE(resync_.due());
  EXPECT_EQ(*resync_.due(), start_ + milliseconds(1000));
  resync_.DumpStarted(start_ + milliseconds(1000));
  EXPECT_FALSE(resync_.due()) << "one dump answers all gaps before it";
}

TEST_F(ConntrackResyncTest, AGapEndsTheDump) {
  Gap(v1::GAP_CAUSE_STREAM_START);
  resync_.DumpStarted(start_);
  Snapshot({Entry(1)});
  Follow({New(2)});
  Overrun();
  EXPECT_FALSE(resync_.dumping());
  // What was read before the loss is posted before it.
  EXPECT_EQ(sink_.Sent(), (Words{"gap1", "snapshot1", "new2", "gap2"}));
  EXPECT_EQ(*resync_.due(), start_ + milliseconds(1000));
}

TEST_F(ConntrackResyncTest, OverrunsInARowAreOneGap) {
  Overrun();
  Overrun();
  EXPECT_EQ(sink_.Sent(), (Words{"gap2"}));
  // A new stream has not seen it.
  Gap(v1::GAP_CAUSE_STREAM_START);
  Gap(v1::GAP_CAUSE_STREAM_START);
  EXPECT_EQ(sink_.Sent(), (Words{"gap1", "gap1"}));
}

TEST_F(ConntrackResyncTest, BrokenDumpIsMadeAgain) {
  Gap(v1::GAP_CAUSE_STREAM_START);
  resync_.DumpStarted(start_);
  Snapshot({Entry(1)});
  resync_.DumpBroken();
  EXPECT_FALSE(resync_.dumping());
  EXPECT_EQ(*resync_.due(), start_ + milliseconds(1000));
  resync_.DumpStarted(start_ + milliseconds(1000));
  Snapshot({Entry(1)});
  resync_.DumpDone({});
  EXPECT_EQ(sink_.Sent(), (Words{"gap1", "snapshot1", "snapshot1", "done1"}));
}

TEST_F(ConntrackResyncTest, HoldsABoundedNumberOfEvents) {
  Gap(v1::GAP_CAUSE_STREAM_START);
  resync_.DumpStarted(start_);
  sink_.Sent();
  Follow(std::vector<v1::Event>(ConntrackResync::kHeldAtMost - 1, Update(1)));
  EXPECT_EQ(sink_.Sent().size(), 0u);
  Follow({Update(2)});
  EXPECT_EQ(sink_.Sent().size(), ConntrackResync::kHeldAtMost);
}

TEST_F(ConntrackResyncTest, TooManyTombstonesBreakTheDump) {
  ConntrackResync resync(&sink_, 2);
  resync.MarkGap(v1::GAP_CAUSE_STREAM_START, 0, {});
  resync.DumpStarted(start_);
  std::vector<v1::Event> events{Destroy(1), Destroy(2)};
  resync.Follow(events);
  EXPECT_TRUE(resync.dumping());
  events = {Destroy(3), Destroy(4)};
  resync.Follow(events);
  EXPECT_FALSE(resync.dumping());
  EXPECT_EQ(*resync.due(), start_ + milliseconds(1000));
  // No event is missing because of that.
  EXPECT_EQ(sink_.Sent(), (Words{"gap1", "destroy1", "destroy2", "destroy3", "destroy4"}));
}

}  // namespace
}  // namespace sluice::agent
