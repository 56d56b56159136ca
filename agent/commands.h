#pragma once

#include "agent/command_answer.h"
#include "agent/gateway_stats.h"
#include "agent/mode_switch.h"
#include "sluice/v1/command.pb.h"

namespace sluice::agent {

// Carries out one command of the server (command.proto). Runs on the thread that CommandServer has
// for it.
CommandAnswer RunCommand(const v1::Command& command, ModeSwitch& mode, const StatsSources& stats);

}  // namespace sluice::agent
