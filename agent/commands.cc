#include "agent/commands.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"

namespace sluice::agent {
namespace {

v1::CommandReply Failed(const absl::Status& status) {
  v1::CommandReply reply;
  v1::CommandError& error = *reply.mutable_error();
  error.set_code(status.raw_code());
  error.set_message(status.message().data(), status.message().size());
  int number = 0;
  if (const auto payload = status.GetPayload(kErrnoPayload);
      payload && absl::SimpleAtoi(std::string(*payload), &number)) {
    error.mutable_system()->set_number(number);
    error.mutable_system()->set_name(strerrorname_np(number));
    error.mutable_system()->set_text(std::strerror(number));
  }
  return reply;
}

// Those that are far out of range stay out of it.
int64_t Nanoseconds(const google::protobuf::Duration& duration) {
  constexpr int64_t kDay = 24 * 3600;
  return std::clamp<int64_t>(duration.seconds(), -kDay, 2 * kDay) * 1'000'000'000 +
         duration.nanos();
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

}  // namespace

v1::CommandReply RunCommand(const v1::Command& command, ModeSwitch& mode,
                            const StatsSources& stats) {
  switch (command.command_case()) {
    case v1::Command::kSetMode:
      return SetMode(command.set_mode(), mode);
    case v1::Command::kGetStats: {
      v1::CommandReply reply;
      *reply.mutable_stats() = ReadStats(stats);
      return reply;
    }
    case v1::Command::kListRemembered:
    case v1::Command::kClearRemembered:
    case v1::Command::COMMAND_NOT_SET:
      break;
  }
  return Failed(absl::UnimplementedError("this agent is older than the command; upgrade it"));
}

}  // namespace sluice::agent
