#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/conntrack_watcher.h"
#include "agent/event_reporter.h"
#include "agent/hook_guard.h"
#include "agent/icmp_limits.h"
#include "agent/mode_switch.h"
#include "agent/netfilter/links.h"
#include "agent/netfilter/table.h"
#include "agent/queue_loop.h"
#include "agent/remembered_verdicts.h"
#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

// Where a gateway's counters come from. None is owned; those that are null do not count.
struct StatsSources {
  std::string gateway;
  google::protobuf::Timestamp started;
  std::vector<QueueLoop*> queues;
  const ModeSwitch* mode = nullptr;
  Table* table = nullptr;
  RememberedVerdicts* remembered = nullptr;
  const Links* links = nullptr;
  const IcmpLimits* icmp_limits = nullptr;
  const HookGuard* hook_guard = nullptr;
  const ConntrackWatcher* conntrack = nullptr;
  const EventReporter* reporter = nullptr;
};

// Reads them all; each queue's counters are consistent in themselves. Any thread.
v1::GatewayStats ReadStats(const StatsSources& sources);

}  // namespace sluice::agent
