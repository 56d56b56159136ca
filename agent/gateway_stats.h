#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/connections/conntrack_watcher.h"
#include "agent/icmp_limits.h"
#include "agent/loop/queue_loop.h"
#include "agent/mode/mode_switch.h"
#include "agent/mode/table_restorer.h"
#include "agent/netfilter/table/table.h"
#include "agent/remembered/remembered_verdicts.h"
#include "agent/streams/event_reporter.h"
#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

// Where a gateway's counters come from. None is owned.
struct StatsSources {
  std::string gateway;
  google::protobuf::Timestamp started;
  std::vector<QueueLoop*> queues;
  const ModeSwitch* mode;
  const IcmpLimits* icmp_limits;
  const EventReporter* reporter;
  // Null where the rules are the operator's.
  Table* table = nullptr;
  RememberedVerdicts* remembered = nullptr;
  const TableRestorer* table_restorer = nullptr;
  // Null without connection events.
  const ConntrackWatcher* conntrack = nullptr;
};

// Reads all counters; those of each queue are consistent in themselves. Any thread.
v1::GatewayStats ReadStats(const StatsSources& sources);

}  // namespace sluice::agent
