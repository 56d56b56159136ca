#include "server/journal/decision_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::server {
namespace {

using std::string_literals::operator""s;

struct Wanted {
  v1::ObserveFilter filter;
  v1::Action action = v1::ACTION_UNSPECIFIED;
  std::vector<v1::Cause> causes = {};
};

DecisionFilter ToFilter(Wanted wanted) {
  NumberSet causes;
  for (const v1::Cause cause : wanted.causes) causes.Add(cause);
  return {*Filter::Create(wanted.filter), wanted.action, causes};
}

// Enters packet `id`, decided at `time`.
void Enter(DecisionRing* ring, uint64_t id, int64_t time, v1::Action action = v1::ACTION_ACCEPT,
           v1::Cause cause = v1::CAUSE_VERDICT) {
  ring->Enter(1, [&](size_t, DecisionRecord* record) {
    *record = DecisionRecord{};
    v1::Headers headers;
    headers.set_source("\x0a\0\0\x01"s);
    headers.set_destination("\x0a\0\0\x02"s);
    headers.set_protocol(6);
    headers.set_source_port(static_cast<uint32_t>(id));
    record->SetHeaders(v1::FAMILY_IPV4, headers);
    record->SetInterfaces("in", "out");
    record->SetReason("rule 1, line 2");
    record->transaction_id = id;
    record->time_ns = time;
    record->action = static_cast<uint8_t>(action);
    record->cause = static_cast<uint8_t>(cause);
  });
}

std::vector<uint64_t> Ids(const std::deque<DecisionLog::Entry>& entries) {
  std::vector<uint64_t> ids;
  for (const auto& entry : entries) ids.push_back(entry.record.transaction_id);
  return ids;
}

class Recorder final : public DecisionObserver {
 public:
  void Decided(const std::string& gateway, const DecisionRecord& record) override {
    seen.push_back(gateway + ":" + std::to_string(record.transaction_id));
  }
  std::vector<std::string> seen;
};

TEST(DecisionLogTest, RemembersTheLastOfEachGatewayInOrderOfTime) {
  DecisionLog log(3);
  DecisionRing* a = log.RingOf("a");
  DecisionRing* b = log.RingOf("b");
  EXPECT_EQ(log.RingOf("a"), a);
  for (uint64_t id = 1; id <= 5; ++id) Enter(a, id, static_cast<int64_t>(id) * 10);
  Enter(b, 100, 45);
  Recorder recorder;
  EXPECT_EQ(Ids(log.Watch(&recorder, ToFilter({}), 10, false)),
            (std::vector<uint64_t>{3, 4, 100, 5}));
  EXPECT_EQ(Ids(log.Watch(&recorder, ToFilter({}), 2, false)), (std::vector<uint64_t>{100, 5}));
  EXPECT_TRUE(log.Watch(&recorder, ToFilter({}), 0, false).empty());
  Enter(a, 6, 60);
  EXPECT_TRUE(recorder.seen.empty());
}

TEST(DecisionLogTest, Filters) {
  DecisionLog log;
  DecisionRing* ring = log.RingOf("a");
  Enter(ring, 1, 1, v1::ACTION_ACCEPT);
  Enter(ring, 2, 2, v1::ACTION_DROP);
  Enter(ring, 3, 3, v1::ACTION_DROP, v1::CAUSE_STALE);
  Recorder recorder;
  EXPECT_EQ(
      Ids(log.Watch(&recorder, ToFilter({.filter = {}, .action = v1::ACTION_DROP}), 10, false)),
      (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(
      Ids(log.Watch(&recorder,
                    ToFilter({.filter = {}, .causes = {v1::CAUSE_STALE, v1::CAUSE_TABLE_FULL}}), 10,
                    false)),
      (std::vector<uint64_t>{3}));
  Wanted other;
  other.filter.add_gateways("b");
  EXPECT_TRUE(log.Watch(&recorder, ToFilter(other), 10, false).empty());
  Wanted port;
  port.filter.set_source_port(2);
  EXPECT_EQ(Ids(log.Watch(&recorder, ToFilter(port), 10, false)), (std::vector<uint64_t>{2}));
}

TEST(DecisionLogTest, ShowsNewOnesToWatchersUntilTheyLeave) {
  DecisionLog log;
  DecisionRing* a = log.RingOf("a");
  Enter(a, 1, 1);
  Recorder all;
  Recorder only_b;
  const DecisionFilter any = ToFilter({});
  Wanted b;
  b.filter.add_gateways("b");
  const DecisionFilter of_b = ToFilter(b);
  EXPECT_EQ(log.Watch(&all, any, 10, true).size(), 1u);
  EXPECT_EQ(log.Watch(&only_b, of_b, 10, true).size(), 0u);
  Enter(a, 2, 2);
  // A gateway that comes later is followed too.
  Enter(log.RingOf("b"), 3, 3);
  log.Unwatch(&all);
  Enter(log.RingOf("b"), 4, 4);
  Enter(log.RingOf("c"), 5, 5);
  EXPECT_EQ(all.seen, (std::vector<std::string>{"a:2", "b:3"}));
  EXPECT_EQ(only_b.seen, (std::vector<std::string>{"b:3", "b:4"}));
  log.Forget("b");
  log.Unwatch(&only_b);
}

TEST(DecisionRecordTest, KeepsWhatADecisionShows) {
  v1::Headers headers;
  headers.set_source(std::string(16, 'a'));
  headers.set_destination(std::string(16, 'b'));
  headers.set_protocol(58);
  headers.set_icmp_type(128);
  headers.set_icmp_code(0);
  headers.set_icmp_id(77);
  headers.set_fragment_offset(1480);
  headers.set_more_fragments(true);
  headers.set_hop_limit(63);
  headers.set_traffic_class(46);
  headers.set_cut_short(true);
  DecisionRecord record{};
  record.SetHeaders(v1::FAMILY_IPV6, headers);
  record.SetInterfaces("eth0", "a-name-longer-than-linux-allows");
  record.SetReason(std::string(200, 'r'));
  record.time_ns = 1'500'000'001;
  record.transaction_id = ~0ull;
  record.policy_version = 9;
  record.waited_us = 12;
  record.length = 64;
  record.queue = 3;
  record.action = v1::ACTION_DROP;
  record.notify = v1::NOTIFY_TCP_RESET;
  record.cause = v1::CAUSE_VERDICT;
  v1::Decision decision;
  record.Show("gw", &decision);
  EXPECT_EQ(decision.headers().SerializeAsString(), headers.SerializeAsString());
  EXPECT_EQ(decision.gateway(), "gw");
  EXPECT_EQ(decision.family(), v1::FAMILY_IPV6);
  EXPECT_EQ(decision.input_interface(), "eth0");
  EXPECT_EQ(decision.output_interface(), "a-name-longer-th");
  EXPECT_EQ(decision.reason(), std::string(128, 'r'));
  EXPECT_EQ(decision.time().seconds(), 1);
  EXPECT_EQ(decision.time().nanos(), 500'000'001);
  EXPECT_EQ(decision.transaction_id(), ~0ull);
  EXPECT_EQ(decision.policy_version(), 9u);
  EXPECT_EQ(decision.waited_us(), 12u);
  EXPECT_EQ(decision.length(), 64u);
  EXPECT_EQ(decision.queue(), 3u);
  EXPECT_EQ(decision.action(), v1::ACTION_DROP);
  EXPECT_EQ(decision.notify(), v1::NOTIFY_TCP_RESET);
}

TEST(DecisionRecordTest, ShowsNothingThatWasNotKnown) {
  v1::Headers headers;
  headers.set_cut_short(true);
  DecisionRecord record{};
  record.SetHeaders(v1::FAMILY_IPV6, headers);
  v1::Decision decision;
  record.Show("gw", &decision);
  EXPECT_EQ(decision.headers().SerializeAsString(), headers.SerializeAsString());
  EXPECT_FALSE(record.traits().protocol);
  headers.set_source(std::string(16, 'a'));
  headers.set_destination(std::string(16, 'b'));
  record.SetHeaders(v1::FAMILY_IPV6, headers);
  decision.Clear();
  record.Show("gw", &decision);
  EXPECT_EQ(decision.headers().SerializeAsString(), headers.SerializeAsString());
}

TEST(DecisionRecordTest, SaysACauseInWords) {
  DecisionRecord record{};
  record.SetHeaders(v1::FAMILY_UNSPECIFIED, v1::Headers());
  record.SetInterfaces("\xff", "");
  record.cause = v1::CAUSE_STALE;
  v1::Decision decision;
  record.Show("gw", &decision);
  EXPECT_EQ(decision.reason(), "no verdict in time");
  EXPECT_FALSE(decision.has_headers());
  EXPECT_EQ(decision.input_interface(), "\\xff");
}

}  // namespace
}  // namespace sluice::server
