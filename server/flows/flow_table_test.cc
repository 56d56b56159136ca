#include "server/flows/flow_table.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::server {
namespace {

// A conntrack event of 10.0.0.1:PORT -> 10.0.0.2:80, TCP, kernel id ID.
v1::Event Conntrack(v1::EventType type, int port, uint32_t id, const std::string& more = "") {
  v1::Event event;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "time { seconds: 5 } conntrack { flow { family: FAMILY_IPV4 id: " + std::to_string(id) +
          " original { source: '\\x0a\\0\\0\\1' destination: '\\x0a\\0\\0\\2' protocol: 6 "
          "source_port: " +
          std::to_string(port) + " destination_port: 80 } " + more + " } }",
      &event));
  event.mutable_conntrack()->set_type(type);
  return event;
}

v1::Event Gap() {
  v1::Event event;
  event.mutable_gap()->set_cause(v1::GAP_CAUSE_KERNEL_OVERRUN);
  return event;
}

v1::Event ResyncDone(uint64_t connections) {
  v1::Event event;
  event.mutable_resync_done()->set_connections(connections);
  return event;
}

constexpr auto kNew = v1::EVENT_TYPE_NEW;
constexpr auto kUpdate = v1::EVENT_TYPE_UPDATE;
constexpr auto kDestroy = v1::EVENT_TYPE_DESTROY;
constexpr auto kSnapshot = v1::EVENT_TYPE_SNAPSHOT;

class FlowTableTest : public testing::Test {
 protected:
  void Take(const v1::Event& event) {
    table_.Take(event, [this](const FlowKey*, const v1::ObserveConnectionsResponse& response) {
      EXPECT_EQ(response.gateway(), "gw");
      told_.push_back(response);
    });
  }

  // "S1234" live, "D1234" ended, "U1234" ended unseen: live first in order of port.
  std::vector<std::string> Remembered() {
    std::vector<std::string> all;
    table_.ForEach([&](const FlowTable::Remembered& each) {
      all.push_back((each.type == kSnapshot ? "S"
                     : each.end_unseen      ? "U"
                                            : "D") +
                    std::to_string(each.key->source_port));
    });
    std::sort(all.begin(), all.begin() + static_cast<long>(table_.live()));
    return all;
  }

  // The messages for observers since the last call, written in the same way.
  std::vector<std::string> Told() {
    std::vector<std::string> all;
    for (const auto& each : told_) {
      all.push_back(each.has_gap() ? "gap"
                    : each.has_resync_done()
                        ? "done"
                        : v1::EventType_Name(each.type()).substr(11, 1) +
                              (each.end_unseen() ? "!" : "") +
                              std::to_string(each.flow().original().source_port()));
    }
    told_.clear();
    return all;
  }

  using Strings = std::vector<std::string>;

  FlowTable table_{"gw", {.live = 4, .ended = 3, .flow_bytes = 4096}};
  std::vector<v1::ObserveConnectionsResponse> told_;
};

TEST_F(FlowTableTest, MergesWhatUpdatesSay) {
  Take(Conntrack(kNew, 1, 10, "timeout_s: 120 tcp { state: 1 } mark: 7"));
  Take(Conntrack(kUpdate, 1, 10, "timeout_s: 60 tcp { state: 3 } status: 14"));
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_EQ(told_[1].type(), kUpdate);
  EXPECT_EQ(told_[1].flow().mark(), 7u);
  EXPECT_EQ(told_[1].flow().timeout_s(), 60u);
  EXPECT_EQ(told_[1].flow().tcp().state(), 3u);
  Take(Conntrack(kDestroy, 1, 10, "counters_original { packets: 5 bytes: 500 }"));
  EXPECT_EQ(told_[2].flow().mark(), 7u);
  EXPECT_EQ(told_[2].flow().status(), 14u);
  EXPECT_EQ(told_[2].flow().counters_original().packets(), 5u);
  EXPECT_FALSE(told_[2].end_unseen());
  EXPECT_EQ(Remembered(), (Strings{"D1"}));
}

TEST_F(FlowTableTest, StaysSmallAndForgetsNothingHoweverManyUpdates) {
  Take(Conntrack(kNew, 1, 10, "mark: 7 tcp { state: 1 window_scale_original: 9 }"));
  for (int i = 1; i <= 100; ++i) {
    Take(Conntrack(kUpdate, 1, 10, "tcp { state: 3 } timeout_s: " + std::to_string(i)));
    EXPECT_EQ(told_.back().flow().mark(), 7u);
    EXPECT_EQ(told_.back().flow().timeout_s(), static_cast<uint32_t>(i));
    EXPECT_EQ(told_.back().flow().tcp().window_scale_original(), 9u);
    table_.ForEach([](const FlowTable::Remembered& each) { EXPECT_LE(each.flow->size(), 512u); });
  }
}

TEST_F(FlowTableTest, SweepsWhatTheSnapshotDoesNotName) {
  Take(Conntrack(kNew, 1, 10));
  Take(Conntrack(kNew, 2, 20));
  Take(Conntrack(kNew, 3, 30));
  Told();
  Take(Gap());
  Take(Conntrack(kUpdate, 2, 20));
  Take(Conntrack(kSnapshot, 1, 10));
  Take(ResyncDone(1));
  EXPECT_EQ(Told(), (Strings{"gap", "U2", "S1", "D!3", "done"}));
  EXPECT_EQ(Remembered(), (Strings{"S1", "S2", "U3"}));
}

TEST_F(FlowTableTest, DoesNotBringBackWhatEndedDuringTheSnapshot) {
  Take(Gap());
  Take(Conntrack(kNew, 1, 10));
  Take(Conntrack(kDestroy, 1, 10));
  Take(Conntrack(kSnapshot, 1, 10));
  Take(ResyncDone(1));
  EXPECT_EQ(Remembered(), (Strings{"D1"}));
  // Later the kernel may use the tuple and the id again.
  Take(Conntrack(kNew, 1, 10));
  EXPECT_EQ(Remembered(), (Strings{"S1", "D1"}));
}

TEST_F(FlowTableTest, DoesNotBelieveASnapshotOlderThanTheConnection) {
  Take(Gap());
  // 10 was read into the snapshot, then ended (the event was lost), and 11 began.
  Take(Conntrack(kNew, 1, 11));
  Take(Conntrack(kSnapshot, 1, 10));
  Take(ResyncDone(1));
  EXPECT_EQ(Remembered(), (Strings{"S1"}));
  Take(Conntrack(kDestroy, 1, 11));
  EXPECT_EQ(table_.live(), 0u);
}

TEST_F(FlowTableTest, ASnapshotShowsThatAConnectionWasReplaced) {
  Take(Conntrack(kNew, 1, 10));
  Take(Gap());
  Take(Conntrack(kSnapshot, 1, 11));
  Take(ResyncDone(1));
  EXPECT_EQ(Told(), (Strings{"N1", "gap", "D!1", "S1", "done"}));
  EXPECT_EQ(Remembered(), (Strings{"S1", "U1"}));
}

TEST_F(FlowTableTest, ASecondGapPutsOffTheSweep) {
  Take(Conntrack(kNew, 1, 10));
  Take(Conntrack(kNew, 2, 20));
  Take(Gap());
  Take(Conntrack(kSnapshot, 1, 10));
  Take(Gap());
  Take(Conntrack(kSnapshot, 2, 20));
  // Belongs to the first snapshot, which named two connections, one of them before the second gap.
  Take(ResyncDone(2));
  EXPECT_EQ(Remembered(), (Strings{"S1", "S2"}));
  Take(Conntrack(kSnapshot, 1, 10));
  Take(Conntrack(kSnapshot, 2, 20));
  Take(ResyncDone(2));
  EXPECT_EQ(Remembered(), (Strings{"S1", "S2"}));
}

TEST_F(FlowTableTest, TheEndOfAnEarlierEntryDoesNotEndItsSuccessor) {
  Take(Conntrack(kNew, 1, 11));
  Take(Conntrack(kDestroy, 1, 10));
  EXPECT_EQ(Remembered(), (Strings{"S1", "D1"}));
}

TEST_F(FlowTableTest, ANewEntryWithTheSameTupleEndsTheOldOne) {
  Take(Conntrack(kNew, 1, 10));
  Take(Conntrack(kNew, 1, 11));
  EXPECT_EQ(Told(), (Strings{"N1", "D!1", "N1"}));
  EXPECT_EQ(Remembered(), (Strings{"S1", "U1"}));
}

TEST_F(FlowTableTest, StaysWithinItsBounds) {
  for (int port = 1; port <= 6; ++port) Take(Conntrack(kNew, port, static_cast<uint32_t>(port)));
  EXPECT_EQ(table_.live(), 4u);
  EXPECT_EQ(Told().size(), 6u);
  for (int port = 1; port <= 6; ++port) {
    Take(Conntrack(kDestroy, port, static_cast<uint32_t>(port)));
  }
  EXPECT_EQ(Remembered(), (Strings{"D4", "D5", "D6"}));
}

// A connection whose flow takes some 1,000 bytes.
v1::Event Large(v1::EventType type, int port) {
  return Conntrack(type, port, static_cast<uint32_t>(port),
                   "security_context: '" + std::string(1000, 'x') + "'");
}

TEST(FlowTableBytesTest, TheOldestEndedMakeRoomThenNothingIsAddedThatDoesNotFit) {
  FlowTable table("gw", {.live = 100, .ended = 100, .all_bytes = 10'400});
  int told = 0;
  const auto take = [&](const v1::Event& event) {
    table.Take(event, [&](const FlowKey*, const v1::ObserveConnectionsResponse& response) {
      EXPECT_EQ(response.flow().security_context().size(), 1000u);
      ++told;
    });
  };
  for (int port = 1; port <= 6; ++port) take(Large(kNew, port));
  for (int port = 1; port <= 6; ++port) take(Large(kDestroy, port));
  EXPECT_EQ(table.ended(), 6u);
  for (int port = 11; port <= 17; ++port) take(Large(kNew, port));
  EXPECT_EQ(table.live(), 7u);
  EXPECT_LE(table.ended(), 3u);
  EXPECT_GT(table.ended(), 0u);
  for (int port = 21; port <= 30; ++port) take(Large(kNew, port));
  EXPECT_LE(table.live(), 10u);
  EXPECT_EQ(table.ended(), 0u);
  EXPECT_EQ(told, 29) << "observers see what is not kept";
  // What ends makes room.
  for (int port = 11; port <= 30; ++port) take(Large(kDestroy, port));
  EXPECT_EQ(table.live(), 0u);
  take(Large(kNew, 40));
  EXPECT_EQ(table.live(), 1u);
}

TEST(FlowTableBytesTest, LiveConnectionsDoNotGrowBeyondTheirRoom) {
  FlowTable table("gw", {.live = 100, .ended = 100, .all_bytes = 1000});
  for (int port = 1; port <= 8; ++port) {
    table.Take(Conntrack(kNew, port, static_cast<uint32_t>(port)), nullptr);
  }
  const size_t live = table.live();
  EXPECT_EQ(live, 8u);
  for (int port = 1; port <= 8; ++port) table.Take(Large(kUpdate, port), nullptr);
  size_t bytes = 0;
  table.ForEach([&](const FlowTable::Remembered& each) { bytes += each.flow->size(); });
  EXPECT_LE(bytes, 1000u);
  EXPECT_EQ(table.live(), live);
  // Those that could not be updated still belong to the new generation.
  table.Take(Gap(), nullptr);
  for (int port = 1; port <= 8; ++port) table.Take(Large(kSnapshot, port), nullptr);
  table.Take(ResyncDone(8), nullptr);
  EXPECT_EQ(table.live(), live);
}

TEST_F(FlowTableTest, TakesNothingFromEventsThatMakeNoSense) {
  Take(v1::Event());
  v1::Event empty;
  empty.mutable_conntrack();
  Take(empty);
  Take(Conntrack(v1::EVENT_TYPE_UNSPECIFIED, 1, 1));
  Take(Conntrack(static_cast<v1::EventType>(99), 1, 1));
  Take(Conntrack(kNew, 70000, 1));
  Take(Conntrack(kNew, 1, 1, "helper_info: '" + std::string(5000, 'x') + "'"));
  v1::Event addresses = Conntrack(kNew, 1, 1);
  addresses.mutable_conntrack()->mutable_flow()->mutable_original()->set_source("12345");
  Take(addresses);
  v1::Event family = Conntrack(kNew, 1, 1);
  family.mutable_conntrack()->mutable_flow()->set_family(v1::FAMILY_IPV6);
  Take(family);
  Take(ResyncDone(0));
  EXPECT_TRUE(told_.empty());
  EXPECT_EQ(table_.live() + table_.ended(), 0u);
  v1::Event far = Conntrack(kNew, 1, 1);
  far.mutable_time()->set_seconds(INT64_MAX);
  far.mutable_time()->set_nanos(-1);
  Take(far);
  EXPECT_EQ(table_.live(), 1u);
}

TEST_F(FlowTableTest, UnknownFieldsDoNotPileUp) {
  v1::Event event = Conntrack(kUpdate, 1, 1);
  event.mutable_conntrack()
      ->mutable_flow()
      ->GetReflection()
      ->MutableUnknownFields(event.mutable_conntrack()->mutable_flow())
      ->AddLengthDelimited(1000, std::string(200, 'x'));
  for (int i = 0; i < 10; ++i) {
    Take(event);
    table_.ForEach([](const FlowTable::Remembered& each) { EXPECT_LE(each.flow->size(), 512u); });
    const v1::Flow& flow = told_.back().flow();
    EXPECT_TRUE(flow.GetReflection()->GetUnknownFields(flow).empty());
  }
}

TEST_F(FlowTableTest, WhatTheAgentFoundGoneHasEndedUnseen) {
  const auto gone = [](int port, uint32_t id) {
    v1::Event event = Conntrack(kDestroy, port, id);
    event.mutable_conntrack()->set_unseen(true);
    return event;
  };
  Take(Conntrack(kSnapshot, 1, 11));
  Take(Conntrack(kSnapshot, 2, 12));
  Take(Conntrack(kNew, 3, 13));
  Told();
  Take(gone(1, 11));
  EXPECT_EQ(Told(), Strings{"D!1"});
  Take(gone(1, 11));
  Take(gone(2, 99));  // Another entry has its tuple.
  Take(gone(4, 14));
  EXPECT_EQ(Told(), Strings{});
  EXPECT_EQ(Remembered(), (Strings{"S2", "S3", "U1"}));
}

}  // namespace
}  // namespace sluice::server
