#include "agent/connections/silent_flows.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

v1::Event Entry(uint32_t port, uint32_t timeout_s = 1000,
                v1::EventType type = v1::EVENT_TYPE_SNAPSHOT) {
  v1::Event event;
  event.mutable_conntrack()->set_type(type);
  v1::Flow& flow = *event.mutable_conntrack()->mutable_flow();
  flow.set_family(v1::FAMILY_IPV4);
  flow.mutable_original()->set_source("\x0a\0\0\1", 4);
  flow.mutable_original()->set_destination_port(port);
  flow.set_id(port + 7);
  flow.set_zone(3);
  flow.set_timeout_s(timeout_s);
  flow.set_status(8);
  return event;
}

class SilentFlowsTest : public ::testing::Test {
 protected:
  // Dumps `entries`; returns the ports of the connections that are gone.
  std::set<uint32_t> Dump(const std::vector<v1::Event>& entries, milliseconds took = {}) {
    flows_.DumpStarted(now_);
    now_ += took;
    for (const v1::Event& entry : entries) flows_.Seen(entry);
    std::set<uint32_t> ports;
    google::protobuf::Timestamp time;
    time.set_seconds(5);
    for (const v1::Event& end : flows_.DumpDone(now_, time)) {
      const uint32_t port = end.conntrack().flow().original().destination_port();
      v1::Event expected = Entry(port, 0, v1::EVENT_TYPE_DESTROY);
      expected.mutable_conntrack()->mutable_flow()->clear_timeout_s();
      expected.mutable_conntrack()->mutable_flow()->clear_status();
      expected.mutable_conntrack()->set_unseen(true);
      *expected.mutable_time() = time;
      EXPECT_EQ(end.SerializeAsString(), expected.SerializeAsString());
      ports.insert(port);
    }
    return ports;
  }
  // Counted from now; -1: there is no need.
  int64_t DueInMs() const {
    const auto due = flows_.due();
    return due ? std::chrono::duration_cast<milliseconds>(*due - now_).count() : -1;
  }

  SilentFlows flows_;
  SilentFlows::Instant now_{};
};

TEST_F(SilentFlowsTest, ThoseOfTheFirstDumpEndWithoutAWord) {
  EXPECT_EQ(DueInMs(), -1);
  EXPECT_EQ(Dump({Entry(1), Entry(2), Entry(3)}), std::set<uint32_t>());
  EXPECT_EQ(Dump({Entry(1), Entry(2), Entry(3), Entry(4)}), std::set<uint32_t>());
  EXPECT_EQ(Dump({Entry(1)}), (std::set<uint32_t>{2, 3})) << "4 would have said so itself";
  EXPECT_EQ(Dump({Entry(1)}), std::set<uint32_t>());
  EXPECT_GT(DueInMs(), 0);
  EXPECT_EQ(Dump({}), std::set<uint32_t>{1});
  EXPECT_EQ(DueInMs(), -1);
}

TEST_F(SilentFlowsTest, WhatIsHeardOfIsNotSilent) {
  Dump({Entry(1), Entry(2), Entry(3)});
  flows_.Heard(Entry(1, 1000, v1::EVENT_TYPE_UPDATE));
  flows_.Heard(Entry(2, 1000, v1::EVENT_TYPE_DESTROY));
  v1::Event gap;
  gap.mutable_gap();
  flows_.Heard(gap);
  EXPECT_EQ(Dump({}), std::set<uint32_t>{3});
}

TEST_F(SilentFlowsTest, LooksWhenTheFirstMayHaveTimedOut) {
  Dump({Entry(1, 500), Entry(2, 20)});
  EXPECT_EQ(DueInMs(), 21'000);
  Dump({Entry(1, 480), Entry(2, 0), Entry(3, 4)});
  EXPECT_EQ(DueInMs(), 1'000);
  Dump({Entry(1, 479)});
  EXPECT_EQ(DueInMs(), 60'000);
  v1::Event offloaded = Entry(1);
  offloaded.mutable_conntrack()->mutable_flow()->clear_timeout_s();
  Dump({offloaded});
  EXPECT_EQ(DueInMs(), 60'000);
}

TEST_F(SilentFlowsTest, LongDumpsAreRare) {
  Dump({Entry(1, 5)}, seconds(1));
  EXPECT_EQ(DueInMs(), 20'000);
}

TEST_F(SilentFlowsTest, ADumpThatBreaksSaysNothing) {
  flows_.DumpStarted(now_);
  flows_.Seen(Entry(1));
  EXPECT_EQ(Dump({Entry(1), Entry(2)}), std::set<uint32_t>());
  flows_.DumpStarted(now_);
  EXPECT_EQ(DueInMs(), 60'000);
  EXPECT_EQ(Dump({Entry(2)}), std::set<uint32_t>{1});
}

TEST_F(SilentFlowsTest, IsBounded) {
  std::vector<v1::Event> entries;
  for (uint32_t i = 0; i < SilentFlows::kAtMost + 5; ++i) entries.push_back(Entry(i));
  Dump(entries);
  EXPECT_EQ(Dump({}).size(), SilentFlows::kAtMost);
}

}  // namespace
}  // namespace sluice::agent
