#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "clients/cli/verbs/stat_totals.h"

namespace sluice::cli {
namespace {

v1::GatewayStats Parse(const std::string& text) {
  v1::GatewayStats stats;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &stats)) << text;
  return stats;
}

constexpr char kStats[] = R"pb(
  gateway: "gw1"
  mode: MODE_ON
  asked: 1120
  asked_before: 1000
  unheard { dropped: 60 accepted: 2 }
  unheard_before { dropped: 50 accepted: 2 }
  exempted: 5
  untracked: 8
  notices { told: 14 none_due: 3 no_way_back: 2 rate_limited: 9 }
  guard_dropped: 1
  hook_lost: 0
  conntrack_events: 30
  time { seconds: 1800003600 }
  started { seconds: 1800000000 }
  remembered {
    accepted_connection: 900
    accepted_address: 60
    dropped_connection: 20
    dropped_address: 20
    saved: 30
    no_room: 2
    wiped: 4
    forgotten: 1
    entries: 12
  }
  queues {
    queue: 0
    received: 103
    accepted: 80
    dropped: 15
    stale { dropped: 3 }
    table_full { dropped: 2 }
    no_decider { dropped: 2 }
    pending: 1
    pending_peak: 9
    late: 3
    held: 2
    asked_again: 6
    shadow_dropped: 7
    pending_bytes: 1500
    kernel_queue_full: 4
    numbered: 105
    kernel {}
    hold_time { count: 95 p50_us: 210 p90_us: 400 p99_us: 1500 max_us: 20000 }
    round_trip { nanos: 300000 }
    decider_connected: true
    decider: "10.0.2.2:7654"
    decider_connects: 2
  }
)pb";

std::string Print(const v1::GatewayStats& stats, const v1::GatewayStats* before = nullptr) {
  setenv("TZ", "UTC", 1);
  tzset();
  std::ostringstream out;
  PrintStatPage(stats, before, /*color=*/false, out);
  return out.str();
}

TEST(PrintStatPage, ShowsEverything) {
  EXPECT_EQ(Print(Parse(kStats)), R"(gw1: mode on, agent up 1h00m, 1 queue, read at 09:00:00.000

   packets   nobuffer      accept     reject   badsync     stale   queued     other
       107          6          80         15         0         3        1         2

settled by           dropped    accepted
verdict                   15          80
stale                      3           0
table_full                 2           0
no_decider                 2           0
family_unasked             0           0
badsync                    0           0
malformed                  0           0
invalid_verdict            0           0
send_failed                0           0
flushed                    0           0
mode_off                   0           0
handed on by verdict: requeued 0, repeated 0
received 103, all accounted for

kernel           asked 1120, exempted 5, untracked 8, numbered 105, kernel_queue_full 4, receive_overrun 0, nobody listened 62, lost 1
remembered       hits 1000, accepted 960, dropped 40, saved 30, no_room 2, wiped 4, forgotten 1, entries 12
notices          told 14, none_due 3, no_way_back 2, rate_limited 9
guard            guard_dropped 1, hook_lost 0
waiting          held 2, asked_again 6, pending_bytes 1500
shadow           shadow_dropped 7
rejected answers late 3, duplicate 0, unknown 0, wrong_owner 0
conntrack        events 30, lost 0, gaps 0

queue  received  queued  peak  hold p50    p90    p99     max  measured  round trip  connects  decider
    0       103       1     9     210us  400us  1.5ms  20.0ms        95       300us         2  10.0.2.2:7654
)");
}

TEST(PrintStatPage, SaysWhatCannotBeKnown) {
  v1::GatewayStats stats = Parse(kStats);
  stats.mutable_queues(0)->set_segmented(true);
  EXPECT_NE(Print(stats).find("nobody listened 62, lost unknown\n"), std::string::npos);
  stats.clear_unheard();
  EXPECT_NE(Print(stats).find("nobody listened unknown, lost unknown\n"), std::string::npos);
}

TEST(PrintStatPage, SaysWhereNobodyIsToldAsTheRulesAreTheOperators) {
  v1::GatewayStats stats = Parse(kStats);
  stats.clear_notices();
  stats.mutable_queues(0)->set_unnotified(6);
  EXPECT_NE(Print(stats).find("\nnotices          unnotified 6\n"), std::string::npos);
}

TEST(PrintStatPage, SaysHowLongTheModeStays) {
  v1::GatewayStats stats = Parse(kStats);
  stats.mutable_mode_reverts_in()->set_seconds(59);
  stats.mutable_mode_reverts_in()->set_nanos(1);
  EXPECT_TRUE(Print(stats).starts_with("gw1: mode on (reverts in 1m00s unless confirmed), agent"));
}

TEST(PrintStatPage, SaysWhatDoesNotAddUp) {
  v1::GatewayStats stats = Parse(kStats);
  stats.mutable_queues(0)->set_received(104);
  EXPECT_NE(Print(stats).find("received 104 but accounted for 103: please report this\n"),
            std::string::npos);
}

TEST(PrintStatPage, ShowsRatesSinceTheReadingBefore) {
  v1::GatewayStats later = Parse(kStats);
  later.mutable_time()->set_seconds(1800003602);
  later.mutable_queues(0)->set_received(103 + 50'000);
  later.mutable_queues(0)->set_accepted(80 + 50'000);
  const v1::GatewayStats before = Parse(kStats);
  EXPECT_NE(Print(later, &before)
                .find("     25.0k          0       25.0k          0         0         0"
                      "                  0  a second\n"),
            std::string::npos)
      << Print(later, &before);
}

TEST(PrintStatPage, ShowsNoRatesAcrossARestart) {
  v1::GatewayStats later = Parse(kStats);
  later.mutable_time()->set_seconds(1800003602);
  later.mutable_started()->set_seconds(1800003601);
  const v1::GatewayStats before = Parse(kStats);
  EXPECT_EQ(Print(later, &before).find("a second"), std::string::npos);
}

TEST(PrintStatPage, AGatewayThatSaysNothingIsShownAsWell) {
  const std::string page = Print({});
  EXPECT_NE(page.find("received 0, all accounted for"), std::string::npos);
}

}  // namespace
}  // namespace sluice::cli
