#include <google/protobuf/util/time_util.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "clients/cli/format/table.h"
#include "clients/cli/format/text.h"
#include "clients/cli/format/words.h"
#include "clients/cli/verbs/stat_totals.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

using google::protobuf::util::TimeUtil;

// A count that is a bad sign unless it is 0.
Cell Bad(uint64_t count, Color color = Color::kRed) {
  return {std::to_string(count), count ? color : Color::kDim};
}

void PrintTitle(const v1::GatewayStats& stats, bool color, std::ostream& out) {
  out << Colored(OneLine(stats.gateway()), Color::kBold, color) << ": mode "
      << ModeWord(stats.mode());
  if (stats.has_mode_reverts_in()) {
    out << Colored(" (reverts in " + FormatTimeLeft(stats.mode_reverts_in()) + " unless confirmed)",
                   Color::kYellow, color);
  }
  const auto time =
      std::chrono::system_clock::time_point(std::chrono::seconds(stats.time().seconds()));
  if (stats.has_started()) out << ", agent up " << FormatAge(Age(stats.started(), time));
  out << ", " << stats.queues_size() << (stats.queues_size() == 1 ? " queue" : " queues");
  if (stats.has_time()) out << ", read at " << FormatTime(stats.time(), time);
  out << "\n\n";
}

std::vector<Cell> ScreenRow(const ScreenTotals& totals,
                            const std::function<std::string(uint64_t)>& show) {
  return {show(totals.packets), show(totals.nobuffer), show(totals.accept), show(totals.reject),
          show(totals.badsync), show(totals.stale),    show(totals.queued), show(totals.other)};
}

void PrintScreen(const v1::GatewayStats& stats, const v1::GatewayStats* before, bool color,
                 std::ostream& out) {
  Table table({{"packets", Align::kRight, 10},
               {"nobuffer", Align::kRight, 9},
               {"accept", Align::kRight, 10},
               {"reject", Align::kRight, 9},
               {"badsync", Align::kRight, 8},
               {"stale", Align::kRight, 8},
               {"queued", Align::kRight, 7},
               {"other", Align::kRight, 8},
               {""}},
              &out, color);
  const ScreenTotals now = ScreenOf(Sum(stats));
  table.Row(ScreenRow(now, [](uint64_t n) { return std::to_string(n); }));
  if (!before || before->started().seconds() != stats.started().seconds()) return;
  const double seconds = TimeUtil::DurationToMilliseconds(stats.time() - before->time()) / 1000.0;
  if (seconds <= 0) return;
  const ScreenTotals then = ScreenOf(Sum(*before));
  const auto rate = [seconds](uint64_t late, uint64_t early) {
    return FormatCount(late < early ? 0 : std::llround((late - early) / seconds));
  };
  table.Row({rate(now.packets, then.packets), rate(now.nobuffer, then.nobuffer),
             rate(now.accept, then.accept), rate(now.reject, then.reject),
             rate(now.badsync, then.badsync), rate(now.stale, then.stale), "",
             rate(now.other, then.other), "a second"});
}

void PrintCauses(const v1::QueueStats& sum, bool color, std::ostream& out) {
  Table table({{"settled by", Align::kLeft, 16},
               {"dropped", Align::kRight, 10},
               {"accepted", Align::kRight, 10}},
              &out, color);
  for (const CauseTotals& cause : CausesOf(sum)) {
    if (std::string_view(cause.name) == "verdict") {
      table.Row({cause.name, std::to_string(cause.dropped), std::to_string(cause.accepted)});
    } else {
      table.Row({cause.name, Bad(cause.dropped), Bad(cause.accepted, Color::kYellow)});
    }
  }
  table.Flush();
  out << "handed on by verdict: requeued " << sum.requeued() << ", repeated " << sum.repeated()
      << '\n';
  const uint64_t accounted = AccountedFor(sum);
  if (accounted == sum.received()) {
    out << "received " << sum.received() << ", all accounted for\n";
  } else {
    out << Colored("received " + std::to_string(sum.received()) + " but accounted for " +
                       std::to_string(accounted) + ": please report this",
                   Color::kRed, color)
        << '\n';
  }
}

// One named count of a line.
struct Fact {
  const char* name;
  std::optional<uint64_t> count;  // Nothing: it cannot be known.
  bool bad;
};

void PrintFacts(const char* label, const std::vector<Fact>& facts, bool color, std::ostream& out) {
  std::string line = label;
  line.resize(17, ' ');
  const char* separator = "";
  for (const Fact& fact : facts) {
    const std::string text = std::string(fact.name) + " " +
                             (fact.count ? std::to_string(*fact.count) : std::string("unknown"));
    line += separator + (fact.bad && fact.count != 0 ? Colored(text, Color::kRed, color) : text);
    separator = ", ";
  }
  out << line << '\n';
}

// What screend shows as cache hits, misses and drops. A miss is a packet that was asked about.
void PrintRemembered(const v1::RememberedStats& remembered, bool color, std::ostream& out) {
  const uint64_t dropped = remembered.dropped_connection() + remembered.dropped_address();
  const uint64_t accepted = remembered.accepted_connection() + remembered.accepted_address();
  PrintFacts("remembered",
             {{"hits", accepted + dropped, false},
              {"accepted", accepted, false},
              {"dropped", dropped, false},
              {"saved", remembered.saved(), false},
              {"no_room", remembered.no_room(), true},
              {"wiped", remembered.wiped(), true},
              {"forgotten", remembered.forgotten(), false},
              {"entries", remembered.entries(), false}},
             color, out);
}

void PrintNotices(const v1::GatewayStats& stats, const v1::QueueStats& sum, bool color,
                  std::ostream& out) {
  if (!stats.has_notices()) {
    return PrintFacts("notices", {{"unnotified", sum.unnotified(), true}}, color, out);
  }
  const v1::NoticeStats& notices = stats.notices();
  std::vector<Fact> facts = {{"told", notices.told(), false},
                             {"none_due", notices.none_due(), false},
                             {"no_way_back", notices.no_way_back(), true}};
  if (notices.has_rate_limited()) facts.push_back({"rate_limited", notices.rate_limited(), true});
  PrintFacts("notices", facts, color, out);
}

void PrintRest(const v1::GatewayStats& stats, const v1::QueueStats& sum, bool color,
               std::ostream& out) {
  PrintFacts("kernel",
             {{"asked", stats.asked(), false},
              {"exempted", stats.exempted(), false},
              {"untracked", stats.untracked(), false},
              {"numbered", sum.numbered(), false},
              {"kernel_queue_full", sum.kernel_queue_full(), true},
              {"receive_overrun", sum.receive_overrun(), true},
              {"nobody listened", Unheard(stats), true},
              {"lost", LostByKernel(stats), true}},
             color, out);
  if (stats.has_remembered()) PrintRemembered(stats.remembered(), color, out);
  PrintNotices(stats, sum, color, out);
  PrintFacts(
      "guard",
      {{"guard_dropped", stats.guard_dropped(), true}, {"hook_lost", stats.hook_lost(), true}},
      color, out);
  PrintFacts("waiting",
             {{"held", sum.held(), false},
              {"asked_again", sum.asked_again(), false},
              {"pending_bytes", sum.pending_bytes(), false}},
             color, out);
  PrintFacts("shadow", {{"shadow_dropped", sum.shadow_dropped(), false}}, color, out);
  PrintFacts("rejected answers",
             {{"late", sum.late(), true},
              {"duplicate", sum.duplicate(), true},
              {"unknown", sum.unknown(), true},
              {"wrong_owner", sum.wrong_owner(), true}},
             color, out);
  PrintFacts("conntrack",
             {{"events", stats.conntrack_events(), false},
              {"lost", stats.conntrack_events_lost(), true},
              {"gaps", stats.conntrack_gaps(), false}},
             color, out);
}

void PrintQueues(const v1::GatewayStats& stats, bool color, std::ostream& out) {
  Table table({{"queue", Align::kRight},
               {"received", Align::kRight},
               {"queued", Align::kRight},
               {"peak", Align::kRight},
               {"hold p50", Align::kRight},
               {"p90", Align::kRight},
               {"p99", Align::kRight},
               {"max", Align::kRight},
               {"measured", Align::kRight},
               {"round trip", Align::kRight},
               {"connects", Align::kRight},
               {"decider"}},
              &out, color);
  for (const v1::QueueStats& queue : stats.queues()) {
    const v1::HoldTime& hold = queue.hold_time();
    const auto held = [&hold](uint64_t us) { return hold.count() ? FormatMicroseconds(us) : "-"; };
    const Cell decider =
        queue.decider_connected()
            ? Cell(queue.decider())
            : Cell(queue.decider().empty() ? "none" : "none, last " + queue.decider(), Color::kRed);
    table.Row({std::to_string(queue.queue()), std::to_string(queue.received()),
               std::to_string(queue.pending()), std::to_string(queue.pending_peak()),
               held(hold.p50_us()), held(hold.p90_us()), held(hold.p99_us()), held(hold.max_us()),
               std::to_string(hold.count()),
               queue.has_round_trip()
                   ? FormatMicroseconds(TimeUtil::DurationToMicroseconds(queue.round_trip()))
                   : "-",
               std::to_string(queue.decider_connects()), decider});
  }
}

}  // namespace

void PrintStatPage(const v1::GatewayStats& stats, const v1::GatewayStats* before, bool color,
                   std::ostream& out) {
  const v1::QueueStats sum = Sum(stats);
  PrintTitle(stats, color, out);
  PrintScreen(stats, before, color, out);
  out << '\n';
  PrintCauses(sum, color, out);
  out << '\n';
  PrintRest(stats, sum, color, out);
  out << '\n';
  PrintQueues(stats, color, out);
}

}  // namespace sluice::cli
