#include "agent/release.h"

#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/port_owner.h"
#include "agent/netfilter/queue/queue_listing.h"
#include "agent/netfilter/survey/rule_survey.h"
#include "agent/netfilter/table/agent_claim.h"
#include "agent/netfilter/table/table.h"

namespace sluice::agent {
namespace {

absl::Status Runs(const std::string& who) {
  return absl::FailedPreconditionError(
      absl::StrCat("a sluice-agent runs (", who,
                   ") and puts its rules back: stop it first, or set its mode to off"));
}

// Who listens to the table's queues, in case an agent took no claim: one of an earlier version, or
// one on a kernel before 5.12.
absl::StatusOr<std::optional<std::string>> Listener() {
  const absl::StatusOr<std::vector<RuleFinding>> rules = SurveyOurRules();
  if (!rules.ok()) return rules.status();
  const std::vector<QueueListing> queues = ReadQueueListing();
  for (const RuleFinding& rule : *rules) {
    if (rule.kind != RuleFinding::Kind::kQueue) continue;
    for (const QueueListing& queue : queues) {
      if (queue.queue < rule.first_queue || queue.queue > rule.last_queue) continue;
      const std::optional<PortOwner> owner = FindPortOwner(queue.port_id);
      return absl::StrCat("queue ", queue.queue, " is of ",
                          owner ? absl::StrCat("process ", owner->pid, ", ", owner->name)
                                : absl::StrCat("netlink port ", queue.port_id));
    }
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<bool> Release() {
  // Held until the end, so that no agent starts in between.
  const auto claim = AgentClaim::Take(absl::StrCat("process ", getpid(), ", --release"));
  if (absl::IsAlreadyExists(claim.status())) return Runs(std::string(claim.status().message()));
  if (!claim.ok()) return claim.status();
  const absl::StatusOr<std::optional<std::string>> listener = Listener();
  if (!listener.ok()) return listener.status();
  if (*listener) return Runs(**listener);
  const auto table = Table::Open({});
  if (!table.ok()) return table.status();
  const auto found = (*table)->Found();
  if (!found.ok()) return found.status();
  if (const absl::Status status = (*table)->Remove(); !status.ok()) return status;
  return found->has_value();
}

}  // namespace sluice::agent
