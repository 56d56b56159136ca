#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/check/checks.h"
#include "agent/netfilter/port_owner.h"
#include "agent/netfilter/queue/queue_listing.h"
#include "agent/netfilter/survey/datapath_survey.h"
#include "agent/netfilter/survey/probe.h"
#include "agent/netfilter/survey/rule_survey.h"

namespace sluice::agent {
namespace {

// A sysctl that is a number; nullopt where it is not there.
std::optional<int> Sysctl(const std::string& path) {
  std::ifstream file("/proc/sys/" + path);
  int value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

void TellOwner(const QueueListing& queue, CheckReport& report) {
  const std::string what = absl::StrCat("queue ", queue.queue);
  const auto owner = FindPortOwner(queue.port_id);
  const std::string who =
      owner ? absl::StrCat(" (process ", owner->pid, ", ", owner->name, ")") : "";
  const std::string text = absl::StrCat("is owned by port id ", queue.port_id, who);
  if (owner && owner->name == "sluice-agent") {
    return report.Note(absl::StrCat(what, " ", text, ": an agent runs here"));
  }
  report.Fail(what, absl::StrCat(text, "; end that program, or set queues.first to other numbers"));
}

std::string Hex(uint32_t bits) { return absl::StrCat("0x", absl::Hex(bits)); }

std::string QueueNumbers(uint32_t first, uint32_t last) {
  return first == last ? absl::StrCat("queue ", first)
                       : absl::StrCat("queues ", first, " to ", last);
}

void TellQueueRule(const RuleFinding& rule, const AgentConfig& config, CheckReport& report) {
  const uint32_t first = config.queues().first();
  const uint32_t last = first + config.queues().count() - 1;
  const std::string text = absl::StrCat(rule.where, " hands packets to ",
                                        QueueNumbers(rule.first_queue, rule.last_queue));
  const bool ours = rule.first_queue <= last && rule.last_queue >= first;
  if (!ours) return report.Note(absl::StrCat(text, ", which are not the agent's"));
  if (!config.hook().manage()) return report.Ok(text);
  report.Fail(QueueNumbers(first, last),
              absl::StrCat(text, " too; give the agent other numbers (queues.first) or take that ",
                           "rule out"));
}

void TellMarkRule(const RuleFinding& rule, const AgentConfig& config, CheckReport& report) {
  const uint32_t shared = rule.bits & config.hook().mark_mask();
  if (shared == 0 || !config.hook().manage()) return;
  report.Note(absl::StrCat(rule.where, " changes bits ", Hex(shared),
                           " of the packet mark, which are the agent's; if it sees forwarded ",
                           "packets, move hook.mark_mask (", Hex(config.hook().mark_mask()),
                           ") to bits that nobody uses"));
}

void TellConnectionMarkRule(const RuleFinding& rule, const AgentConfig& config,
                            CheckReport& report) {
  const uint32_t shared = rule.bits & config.hook().connection_mark_mask();
  if (shared == 0 || !config.hook().manage()) return;
  report.Note(absl::StrCat(
      rule.where, " changes bits ", Hex(shared),
      " of the connection mark, which are the agent's: accepted connections it sees are forgotten ",
      "and asked about again (`wiped` in sluicectl stat); give that rule a mask that leaves them ",
      "alone, or move hook.connection_mark_mask (", Hex(config.hook().connection_mark_mask()),
      ") to bits that nobody uses"));
}

void TellProgram(const DatapathFinding& program, CheckReport& report) {
  const char* kind = program.kind == DatapathFinding::Kind::kXdp ? "an XDP program"
                     : program.kind == DatapathFinding::Kind::kTcIngress
                         ? "a tc BPF filter on ingress"
                         : "a tc BPF filter on egress";
  report.Note(absl::StrCat(program.interface, " has ", kind,
                           ": what it forwards by itself (redirects) passes no rules, and the ",
                           "agent does not see it"));
}

// Only iptables-legacy's own programs read its rules; the kernel tells which tables there are, and
// which targets any rule of this machine may have.
void TellLegacyRules(const std::string& family, CheckReport& report) {
  const std::string names = absl::StrCat("/proc/net/", family, "_tables_names");
  std::ifstream tables(names);
  if (tables.peek() == std::ifstream::traits_type::eof()) return;
  std::ifstream targets(absl::StrCat("/proc/net/", family, "_tables_targets"));
  bool queues = false;
  for (std::string target; targets >> target;) queues |= target == "NFQUEUE";
  const std::string command = family == "ip" ? "iptables-legacy-save" : "ip6tables-legacy-save";
  report.Note(absl::StrCat(
      "there are rules of iptables-legacy (", names, "), which are not looked at",
      queues ? absl::StrCat("; they may queue packets: `", command, " | grep NFQUEUE` tells")
             : ""));
}

}  // namespace

void CheckQueueOwners(const AgentConfig& config, CheckReport& report) {
  const uint32_t first = config.queues().first();
  const uint32_t last = first + config.queues().count() - 1;
  bool taken = false;
  for (const QueueListing& queue : ReadQueueListing()) {
    if (queue.queue < first || queue.queue > last) continue;
    taken = true;
    TellOwner(queue, report);
  }
  if (taken) return;
  if (std::ifstream("/proc/net/netfilter/nfnetlink_queue").is_open()) {
    report.Ok(absl::StrCat(QueueNumbers(first, last), " free"));
  } else {
    report.Note(absl::StrCat("whether ", QueueNumbers(first, last),
                             " can be had is not known: only root ", "may read who holds them"));
  }
}

void CheckForeignRules(const AgentConfig& config, CheckReport& report) {
  const auto rules = SurveyRules();
  if (!rules.ok()) {
    return report.Note(absl::StrCat("other nftables rules are not looked at: ",
                                    std::string(rules.status().message())));
  }
  for (const RuleFinding& rule : *rules) {
    switch (rule.kind) {
      case RuleFinding::Kind::kQueue:
        TellQueueRule(rule, config, report);
        break;
      case RuleFinding::Kind::kMark:
        TellMarkRule(rule, config, report);
        break;
      case RuleFinding::Kind::kConnectionMark:
        TellConnectionMarkRule(rule, config, report);
        break;
      case RuleFinding::Kind::kFlowtable:
        report.Note(absl::StrCat(rule.where, " forwards established connections past all rules",
                                 rule.offload ? ", in hardware" : "",
                                 ": the agent sees their first packets only; take it out, or ",
                                 "leave out of it what is to be asked about"));
        break;
    }
  }
  for (const char* family : {"ip", "ip6"}) TellLegacyRules(family, report);
}

void CheckBypasses(CheckReport& report) {
  const auto offloaded = ProbeOffloaded();
  if (offloaded.ok() && *offloaded > 0) {
    report.Note(absl::StrCat(*offloaded, " connections are offloaded now (`conntrack -L` says ",
                             "[OFFLOAD]): the agent does not see their packets until they end"));
  }
  const auto programs = SurveyDatapaths();
  if (!programs.ok()) {
    return report.Note(absl::StrCat("eBPF programs on interfaces are not looked at: ",
                                    std::string(programs.status().message())));
  }
  for (const DatapathFinding& program : *programs) TellProgram(program, report);
}

void CheckConntrackSettings(const AgentConfig& config, CheckReport& report) {
  if (!config.conntrack().events()) return;
  const auto events = Sysctl("net/netfilter/nf_conntrack_events");
  if (!events) {
    return report.Note("conntrack's sysctls are not there: nothing tracks connections yet");
  }
  if (*events == 0) {
    report.Fail("net.netfilter.nf_conntrack_events",
                "is 0, the kernel tells of no connection; "
                "sysctl -w net.netfilter.nf_conntrack_events=2, or set conntrack.events: false");
  } else {
    report.Ok("conntrack events are on");
  }
  if (Sysctl("net/netfilter/nf_conntrack_acct") == 0) {
    report.Note(
        "connections will have no packet and byte counts; for new ones to have them: "
        "sysctl -w net.netfilter.nf_conntrack_acct=1");
  }
  if (Sysctl("net/netfilter/nf_conntrack_timestamp") == 0) {
    report.Note(
        "connections will not say when they began; for new ones to say it: "
        "sysctl -w net.netfilter.nf_conntrack_timestamp=1");
  }
}

void CheckForwarding(CheckReport& report) {
  const bool ipv4 = Sysctl("net/ipv4/ip_forward").value_or(0) != 0;
  const bool ipv6 = Sysctl("net/ipv6/conf/all/forwarding").value_or(0) != 0;
  if (ipv4 && ipv6) return report.Ok("this machine forwards IPv4 and IPv6");
  if (!ipv4) {
    report.Note(
        "this machine does not forward IPv4, so no such packet is asked about; "
        "sysctl -w net.ipv4.ip_forward=1");
  }
  if (!ipv6) {
    report.Note(
        "this machine does not forward IPv6, so no such packet is asked about; "
        "sysctl -w net.ipv6.conf.all.forwarding=1");
  }
}

}  // namespace sluice::agent
