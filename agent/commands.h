#pragma once

#include <functional>

#include "agent/mode/mode_switch.h"
#include "agent/netfilter/queue/links.h"
#include "agent/remembered/remembered_verdicts.h"
#include "agent/streams/command_answer.h"
#include "sluice/v1/command.pb.h"
#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

// What commands act upon. None is owned.
struct CommandTargets {
  ModeSwitch* mode;
  RememberedVerdicts* remembered;  // Null: nothing is remembered, as the rules are the operator's.
  const Links* links;
  std::function<v1::GatewayStats()> stats;
};

// Carries out one command of the server (command.proto). Runs on the thread that CommandServer has
// for it.
CommandAnswer RunCommand(const v1::Command& command, const CommandTargets& targets);

}  // namespace sluice::agent
