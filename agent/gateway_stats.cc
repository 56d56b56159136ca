#include "agent/gateway_stats.h"

#include <google/protobuf/util/time_util.h>

namespace sluice::agent {
namespace {

void FillNotices(const TableCounters& counters, const IcmpLimits& limits,
                 v1::NoticeStats& notices) {
  notices.set_told(counters.told);
  notices.set_none_due(counters.none_due);
  notices.set_no_way_back(counters.no_way_back);
  if (const auto kept_back = limits.Read(); kept_back) notices.set_rate_limited(*kept_back);
}

}  // namespace

v1::GatewayStats ReadStats(const StatsSources& sources) {
  v1::GatewayStats stats;
  stats.set_gateway(sources.gateway);
  *stats.mutable_started() = sources.started;
  *stats.mutable_time() = google::protobuf::util::TimeUtil::GetCurrentTime();
  const ModeSwitch::State mode = sources.mode->state();
  stats.set_mode(mode.mode);
  if (mode.reverts_in_ns) {
    *stats.mutable_mode_reverts_in() =
        google::protobuf::util::TimeUtil::NanosecondsToDuration(*mode.reverts_in_ns);
  }
  // Before the queues: packets that come in between must not look as if they were lost.
  if (sources.table != nullptr) {
    if (const auto counters = sources.table->ReadCounters(); counters.ok()) {
      const TableCounters before = sources.table->counters_before();
      stats.set_asked(counters->asked);
      stats.set_asked_before(before.asked);
      stats.mutable_unheard()->set_dropped(counters->unheard_dropped);
      stats.mutable_unheard()->set_accepted(counters->unheard_accepted);
      stats.mutable_unheard_before()->set_dropped(before.unheard_dropped);
      stats.mutable_unheard_before()->set_accepted(before.unheard_accepted);
      stats.set_guard_dropped(counters->guard_dropped);
      stats.set_exempted(counters->exempted);
      stats.set_untracked(counters->untracked);
      FillNotices(*counters, *sources.icmp_limits, *stats.mutable_notices());
      if (sources.remembered != nullptr) {
        *stats.mutable_remembered() = sources.remembered->Stats(*counters);
      }
    }
  }
  for (QueueLoop* queue : sources.queues) *stats.add_queues() = queue->Stats();
  if (sources.table_restorer != nullptr) stats.set_hook_lost(sources.table_restorer->lost());
  if (sources.conntrack != nullptr) {
    const ConntrackWatcher::Counters conntrack = sources.conntrack->counters();
    const EventReporter::Counters reporter = sources.reporter->counters();
    stats.set_conntrack_events(conntrack.events);
    stats.set_conntrack_events_lost(conntrack.lost + reporter.lost);
    stats.set_conntrack_gaps(conntrack.gaps + reporter.gaps);
  }
  return stats;
}

}  // namespace sluice::agent
