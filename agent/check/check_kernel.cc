#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/check/checks.h"
#include "agent/check/privileges.h"
#include "agent/config/table_options.h"
#include "agent/netfilter/queue/queue_socket.h"
#include "agent/netfilter/survey/probe.h"
#include "agent/netfilter/table/agent_claim.h"
#include "agent/netfilter/table/table.h"

namespace sluice::agent {
namespace {

void Tell(const std::string& what, const absl::Status& status, CheckReport& report) {
  if (status.ok()) return report.Ok(what);
  report.Fail(what, std::string(status.message()));
}

// Takes the rights that the agent would have, in this (child) process.
bool CheckRights(const AgentConfig& config, CheckReport& report) {
  const bool root = geteuid() == 0;
  const absl::Status settled = SettlePrivileges(config.user());
  if (!settled.ok()) {
    report.Fail("rights", std::string(settled.message()));
  } else if (!root) {
    report.Ok(absl::StrCat("runs as uid ", geteuid(), " with CAP_NET_ADMIN"));
  } else if (config.user().empty()) {
    report.Ok("stays root");
  } else {
    report.Ok(absl::StrCat("becomes user ", config.user(), ", keeping CAP_NET_ADMIN alone"));
  }
  return settled.ok();
}

void CheckQueueing(CheckReport& report) {
  Tell("kernel hands packets to programs (nfnetlink_queue)", ProbeQueueing(), report);
}

void CheckQueueListing(CheckReport& report) {
  constexpr char kPath[] = "/proc/net/netfilter/nfnetlink_queue";
  if (std::ifstream(kPath).is_open()) {
    report.Ok(absl::StrCat("kernel's queue counters can be read (", kPath, ")"));
  } else if (access(kPath, F_OK) == 0) {
    report.Fail("kernel's queue counters",
                absl::StrCat(kPath, " cannot be read; run the agent with group root (gid 0), by ",
                             "SupplementaryGroups=root in the unit"));
  } else {
    report.Note(absl::StrCat(kPath, " is not there: kernel_queue_full will not be counted"));
  }
}

void CheckConntrack(CheckReport& report) {
  const auto connections = ProbeConntrack();
  Tell(connections.ok() ? absl::StrCat("kernel tells of connections (", *connections, " now)")
                        : "kernel tells of connections (nf_conntrack_netlink)",
       connections.status(), report);
}

void CheckReceiveBuffer(const std::string& key, size_t bytes, CheckReport& report) {
  const std::string what = absl::StrCat(key, " of ", bytes, " bytes");
  const auto granted = ProbeReceiveBuffer(bytes);
  if (!granted.ok()) return Tell(what, granted.status(), report);
  if (*granted >= bytes) return report.Ok(what);
  report.Fail(what, absl::StrCat("the kernel grants ", *granted, "; ask for no more"));
}

void CheckTable(const AgentConfig& config, CheckReport& report) {
  const auto table = Table::Open(TableOptionsOf(config));
  const absl::Status checked = table.ok() ? (*table)->Check() : table.status();
  const auto has = checked.ok() ? (*table)->expressions() : std::nullopt;
  const bool native = has && has->queue == QueueExpression::kNative;
  Tell(!checked.ok() ? "the agent's rules"
       : native      ? "kernel takes the agent's rules (nftables with queue)"
                     : "kernel takes the agent's rules (nftables with xt NFQUEUE)",
       checked, report);
  if (checked.ok() && (*table)->hold() == TableHold::kPlain) {
    report.Note(
        "this kernel, before Linux 6.9, lets other programs change the agent's rules: what they "
        "flush or delete is put back within 100 ms, and until then packets may pass undecided");
  }
  if (has && !has->fib) {
    report.Note(
        "the kernel lacks nftables' fib (CONFIG_NFT_FIB_INET): the first packet of a flow to a "
        "network's broadcast address over a bridge is lost, and notices are counted as told even "
        "where none is due or no route leads to the sender");
  }
}

// The agent that runs, if one does: the kernel would not let this process replace its rules, not
// even to try.
std::optional<std::string> RunningAgent() { return FindClaim().value_or(std::nullopt); }

// Moves this (child) process into a network namespace where nothing runs. For another user than
// root, that takes a user namespace, in which the process has all capabilities.
bool EnterScratch(const AgentConfig& config) {
  if (unshare(CLONE_NEWNET) == 0) return SettlePrivileges(config.user()).ok();
  return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

void CheckBinding(const AgentConfig& config, CheckReport& report) {
  QueueSocketOptions options;
  options.queue = static_cast<uint16_t>(config.queues().first());
  options.max_length = config.queues().max_length();
  // The buffer is checked where the agent will work: here it might not be granted.
  options.receive_buffer = 64 * 1024;
  options.flags = {.gso = config.queues().gso(), .fail_open = config.fail_mode() == FAIL_MODE_OPEN};
  CopyRange range;
  range.bytes = config.copy_range() == 0 ? kLargestCopyRange : config.copy_range();
  Tell(absl::StrCat("a queue can be bound with max_length ", options.max_length,
                    options.flags.gso ? ", GSO" : "", options.flags.fail_open ? ", fail open" : ""),
       QueueSocket::Open(options, range).status(), report);
}

}  // namespace

void CheckRightsAndKernel(const AgentConfig& config, CheckReport& report) {
  report.InChild("rights and kernel", [&config](CheckReport& inner) {
    // Without the capability all that follows would fail for the same reason.
    if (!CheckRights(config, inner)) return;
    CheckQueueing(inner);
    CheckQueueListing(inner);
    CheckReceiveBuffer("queues.receive_buffer", config.queues().receive_buffer(), inner);
    if (config.conntrack().events()) {
      CheckConntrack(inner);
      CheckReceiveBuffer("conntrack.receive_buffer", config.conntrack().receive_buffer(), inner);
    }
    if (!config.hook().manage()) {
      inner.Note("hook.manage is false: the rules are yours and not checked");
    } else if (const auto agent = RunningAgent()) {
      inner.Note(absl::StrCat("an agent runs here (", *agent, "), whose rules are left alone"));
    } else {
      CheckTable(config, inner);
    }
  });
}

void CheckQueuesScratch(const AgentConfig& config, CheckReport& report) {
  report.InChild("binding a queue", [&config](CheckReport& inner) {
    const bool agent_runs = RunningAgent().has_value();
    if (!EnterScratch(config)) {
      inner.Note(absl::StrCat("binding a queue is not tested: that takes a network namespace of ",
                              "its own, and this process may make none; run the check as root"));
      return;
    }
    CheckBinding(config, inner);
    if (agent_runs && config.hook().manage()) CheckTable(config, inner);
    if (config.conntrack().events()) {
      Tell("conntrack events can be subscribed to", ProbeConntrackEvents(), inner);
    }
  });
}

}  // namespace sluice::agent
