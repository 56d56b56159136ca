#include "agent/commands.h"

#include <cstring>

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

v1::CommandReply SetMode(const v1::SetModeCommand& command, ModeSwitch& mode) {
  const auto change = mode.Set(command.mode());
  if (!change.ok()) return Failed(change.status());
  v1::CommandReply reply;
  reply.mutable_set_mode()->set_previous(change->previous);
  reply.mutable_set_mode()->set_current(change->current);
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
    case v1::Command::COMMAND_NOT_SET:
      break;
  }
  return Failed(absl::UnimplementedError("this agent is older than the command; upgrade it"));
}

}  // namespace sluice::agent
