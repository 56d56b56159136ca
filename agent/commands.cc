#include "agent/commands.h"

#include <google/protobuf/util/time_util.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "agent/netfilter/nftables/port_protocols.h"
#include "agent/packets/notices.h"
#include "agent/streams/durations.h"
#include "proto/text/text.h"

namespace sluice::agent {
namespace {

v1::CommandReply Failed(const absl::Status& status) {
  v1::CommandReply reply;
  v1::CommandError& error = *reply.mutable_error();
  error.set_code(status.raw_code());
  error.set_message(ToUtf8(std::string(status.message())));
  int number = 0;
  if (const auto payload = status.GetPayload(kErrnoPayload);
      payload && absl::SimpleAtoi(std::string(*payload), &number)) {
    error.mutable_system()->set_number(number);
    error.mutable_system()->set_name(strerrorname_np(number));
    error.mutable_system()->set_text(std::strerror(number));
  }
  return reply;
}

v1::CommandReply SetMode(const v1::SetModeCommand& command, ModeSwitch& mode) {
  std::optional<int64_t> confirm_within;
  if (command.has_confirm_within()) confirm_within = Nanoseconds(command.confirm_within());
  const auto change = mode.Set(command.mode(), confirm_within);
  if (!change.ok()) return Failed(change.status());
  v1::CommandReply reply;
  v1::SetModeReply& set = *reply.mutable_set_mode();
  set.set_previous(change->previous);
  set.set_current(change->current.mode);
  if (change->current.reverts_in_ns) {
    *set.mutable_reverts_in() =
        google::protobuf::util::TimeUtil::NanosecondsToDuration(*change->current.reverts_in_ns);
  }
  return reply;
}

// At most two hundred bytes each; gRPC takes messages of up to 4 MiB.
constexpr size_t kVerdictsAReply = 4096;

v1::Scope ScopeOf(RememberedScope scope) {
  switch (scope) {
    case RememberedScope::kConnection:
      return v1::SCOPE_CONNECTION;
    case RememberedScope::kPeer:
      return v1::SCOPE_PEER;
    case RememberedScope::kSource:
      return v1::SCOPE_SOURCE;
  }
  return v1::SCOPE_UNSPECIFIED;
}

bool IsIcmp(const RememberedEntry& entry) {
  return entry.protocol == (entry.source.size() == 16 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP});
}

void FillTransport(const RememberedEntry& entry, v1::RememberedVerdict& verdict) {
  verdict.set_protocol(entry.protocol);
  if (HasPorts(entry.protocol)) {
    verdict.set_destination_port(entry.destination_port);
    if (entry.scope == RememberedScope::kConnection) verdict.set_source_port(entry.source_port);
  } else if (IsIcmp(entry)) {
    verdict.set_icmp_type(entry.destination_port >> 8);
    verdict.set_icmp_code(entry.destination_port & 0xff);
  }
}

std::string NameOf(uint32_t ifindex, const LinkMap& links) {
  const auto found = links.find(ifindex);
  return found == links.end() ? "" : found->second.name;
}

void Fill(const RememberedEntry& entry, const LinkMap& links, v1::RememberedVerdict& verdict) {
  verdict.set_action(entry.accept ? v1::ACTION_ACCEPT : v1::ACTION_DROP);
  verdict.set_notify(NotifyOf(entry.notice));
  verdict.set_scope(ScopeOf(entry.scope));
  verdict.set_source(entry.source);
  verdict.set_destination(entry.destination);
  if (entry.scope != RememberedScope::kSource) FillTransport(entry, verdict);
  verdict.set_input_ifindex(entry.input_ifindex);
  verdict.set_input_interface(NameOf(entry.input_ifindex, links));
  verdict.set_output_ifindex(entry.output_ifindex);
  verdict.set_output_interface(NameOf(entry.output_ifindex, links));
  verdict.set_zone(entry.zone);
  // Accepted connections that are tracked have no interface, and are remembered while tracked.
  if (entry.input_ifindex == 0) return;
  *verdict.mutable_expires_in() = google::protobuf::util::TimeUtil::MillisecondsToDuration(
      static_cast<int64_t>(entry.expires_in_ms));
}

absl::Status NothingRemembered() {
  return absl::FailedPreconditionError(
      "hook.manage is false: nothing is remembered, as the rules are the operator's");
}

CommandAnswer List(const v1::ListRememberedCommand& command, const CommandTargets& targets) {
  if (targets.remembered == nullptr) return Answer(Failed(NothingRemembered()));
  auto entries = targets.remembered->List(command.limit());
  if (!entries.ok()) return Answer(Failed(entries.status()));
  return [entries = *std::move(entries), links = targets.links->Snapshot(),
          next = size_t{0}](v1::CommandReply& reply) mutable {
    v1::RememberedVerdicts& part = *reply.mutable_remembered();
    const size_t end = std::min(entries.size(), next + kVerdictsAReply);
    for (; next < end; ++next) Fill(entries[next], *links, *part.add_verdicts());
    return next == entries.size();
  };
}

v1::CommandReply Forget(RememberedVerdicts* remembered) {
  if (remembered == nullptr) return Failed(NothingRemembered());
  const auto forgotten = remembered->ForgetAll();
  if (!forgotten.ok()) return Failed(forgotten.status());
  v1::CommandReply reply;
  reply.mutable_forget_remembered()->set_forgotten(*forgotten);
  return reply;
}

}  // namespace

CommandAnswer RunCommand(const v1::Command& command, const CommandTargets& targets) {
  switch (command.command_case()) {
    case v1::Command::kSetMode:
      return Answer(SetMode(command.set_mode(), *targets.mode));
    case v1::Command::kGetStats: {
      v1::CommandReply reply;
      *reply.mutable_stats() = targets.stats();
      return Answer(std::move(reply));
    }
    case v1::Command::kListRemembered:
      return List(command.list_remembered(), targets);
    case v1::Command::kForgetRemembered:
      return Answer(Forget(targets.remembered));
    case v1::Command::COMMAND_NOT_SET:
      break;
  }
  return Answer(
      Failed(absl::UnimplementedError("this agent is older than the command; upgrade it")));
}

}  // namespace sluice::agent
