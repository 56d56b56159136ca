#include "agent/check/check.h"

#include "absl/strings/str_cat.h"
#include "agent/check/check_report.h"
#include "agent/check/checks.h"

namespace sluice::agent {
namespace {

void CheckServers(const AgentConfig& config, CheckReport& report) {
  for (const std::string& server : config.servers()) {
    CheckServer(server, report);
  }
}

}  // namespace

bool Check(const AgentConfig& config, std::ostream& out) {
  CheckReport report(out);
  CheckRightsAndKernel(config, report);
  CheckQueuesScratch(config, report);
  CheckQueueOwners(config, report);
  CheckForeignRules(config, report);
  CheckBypasses(report);
  CheckConntrackSettings(config, report);
  CheckForwarding(report);
  // Last: from here on there are gRPC's threads.
  CheckServers(config, report);
  return report.passed();
}

}  // namespace sluice::agent
