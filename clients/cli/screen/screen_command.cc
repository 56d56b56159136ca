#include "clients/cli/screen/screen_command.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <string>
#include <vector>

#include "clients/cli/format/text.h"
#include "clients/cli/format/words.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

using Kind = ScreenCommand::Kind;
using Which = ScreenCommand::Which;

// No gateway holds a packet longer (hold_limit).
constexpr double kLongestHold = 60;

absl::Status NotUnderstood(const std::string& word, const char* expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", OneLine(word), "' is not understood; ", expected));
}

// Parses "all", or the number a packet is listed with.
bool ParseWhich(const std::string& word, ScreenCommand* command) {
  if (word == "all") {
    command->which = Which::kAll;
    return true;
  }
  command->which = Which::kNumber;
  const bool digits = word.find_first_not_of("0123456789") == std::string::npos;
  return digits && absl::SimpleAtoi(word, &command->number) && command->number > 0;
}

bool ParseHold(const std::string& word, v1::Verdict* verdict) {
  double seconds = 0;
  if (!absl::SimpleAtod(word, &seconds) || !(seconds > 0) || seconds > kLongestHold) return false;
  *verdict->mutable_hold_for() = HoldSeconds(seconds);
  return true;
}

}  // namespace

const char kScreenHelp[] =
    "  accept [NUMBER|all] [because WORDS]         let it through\n"
    "  drop [NOTICE] [NUMBER|all] [because WORDS]  drop it; NOTICE is sent to its sender:\n"
    "                                              host-unreachable, admin-prohibited,\n"
    "                                              port-unreachable, tcp-reset\n"
    "  hold SECONDS [NUMBER|all]                   wait longer for a decision\n"
    "  help, quit\n"
    "Without NUMBER, the oldest undecided packet is decided, or the next one if none is left.";

google::protobuf::Duration HoldSeconds(double seconds) {
  google::protobuf::Duration duration;
  duration.set_seconds(static_cast<int64_t>(seconds));
  const double rest = seconds - static_cast<double>(duration.seconds());
  duration.set_nanos(static_cast<int32_t>(rest * 1e9));
  return duration;
}

absl::StatusOr<ScreenCommand> ParseScreenCommand(std::string_view line) {
  std::vector<std::string> words =
      absl::StrSplit(std::string(line), absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
  ScreenCommand command;
  if (words.empty() || words[0].starts_with('#')) return command;
  const std::string verb = words[0];
  if (verb == "quit" || verb == "help") {
    if (words.size() > 1) return NotUnderstood(words[1], "nothing may follow");
    command.kind = verb == "quit" ? Kind::kQuit : Kind::kHelp;
    return command;
  }
  command.kind = Kind::kDecide;
  size_t at = 1;
  if (verb == "hold") {
    command.verdict.set_action(v1::ACTION_HOLD);
    if (at == words.size() || !ParseHold(words[at], &command.verdict)) {
      return NotUnderstood(at == words.size() ? verb : words[at],
                           "hold wants seconds, more than 0 and up to 60");
    }
    ++at;
  } else if (const auto action = ParseAction(verb); action) {
    command.verdict.set_action(*action);
  } else {
    return NotUnderstood(verb, "accept, drop, hold, help and quit are; `help` says more");
  }
  if (at < words.size() && command.verdict.action() == v1::ACTION_DROP) {
    if (const auto notify = ParseNotify(words[at]); notify) {
      command.verdict.set_notify(*notify);
      ++at;
    }
  }
  if (at < words.size() && words[at] != "because") {
    if (!ParseWhich(words[at], &command)) {
      return NotUnderstood(words[at], "a packet's number, all, because or a notice may follow");
    }
    ++at;
  }
  if (at < words.size() && words[at] == "because") {
    words.erase(words.begin(), words.begin() + static_cast<long>(at) + 1);
    command.verdict.set_reason(ToUtf8(absl::StrJoin(words, " ")));
    return command;
  }
  if (at < words.size()) return NotUnderstood(words[at], "only because may follow here");
  return command;
}

}  // namespace sluice::cli
