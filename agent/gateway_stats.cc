#include "agent/gateway_stats.h"

#include <google/protobuf/util/time_util.h>

namespace sluice::agent {

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
  for (QueueLoop* queue : sources.queues) *stats.add_queues() = queue->Stats();
  if (sources.table != nullptr) {
    if (const auto counters = sources.table->ReadCounters(); counters.ok()) {
      stats.set_asked(counters->asked);
      stats.set_guard_dropped(counters->guard_dropped);
      stats.set_exempted(counters->exempted);
      if (sources.remembered != nullptr) {
        *stats.mutable_remembered() = sources.remembered->Stats(*counters);
      }
    }
  }
  if (sources.hook_guard != nullptr) stats.set_hook_lost(sources.hook_guard->lost());
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
