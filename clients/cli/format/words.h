#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/v1/decision.pb.h"
#include "sluice/v1/event.pb.h"
#include "sluice/v1/packet.pb.h"
#include "sluice/v1/stats.pb.h"

namespace sluice::cli {

// The wire's names as people read and type them: MODE_ON is "on", CAUSE_TABLE_FULL is
// "table_full". Values that this program does not know are shown as numbers.
std::string ModeWord(v1::Mode mode);
std::string ActionWord(v1::Action action);
std::string CauseWord(v1::Cause cause);
std::string NotifyWord(v1::Notify notify);
std::string ScopeWord(v1::Scope scope);
std::string EventTypeWord(v1::EventType type);
std::string GapCauseWord(v1::GapCause cause);
// conntrack's name for a TCP state, "ESTABLISHED".
std::string TcpStateWord(uint32_t state);
// "tcp", or the number if it has no name.
std::string ProtocolWord(uint32_t protocol);
// "SYN,ACK"; "" for none.
std::string TcpFlagsWord(uint32_t flags);
// As in policies; "unknown" if it is not known.
std::string StateWord(v1::ConnectionState state);

// The words that may be typed for each; for help, completion and errors.
std::vector<std::string> ModeWords();
std::vector<std::string> CauseWords();
std::vector<std::string> EventTypeWords();
std::vector<std::string> ProtocolWords();
std::vector<std::string> StateWords();
// Only what a filter can ask for.
std::vector<std::string> ActionWords();

// Parse the words above; none for an unknown word. Dashes may stand for underscores, upper case for
// lower case.
std::optional<v1::Mode> ParseMode(std::string_view word);
std::optional<v1::Action> ParseAction(std::string_view word);
std::optional<v1::Notify> ParseNotify(std::string_view word);
std::optional<v1::Cause> ParseCause(std::string_view word);
std::optional<v1::EventType> ParseEventType(std::string_view word);
std::optional<v1::ConnectionState> ParseState(std::string_view word);
// A name or a number from 0 to 255.
std::optional<uint32_t> ParseProtocol(std::string_view word);

}  // namespace sluice::cli
