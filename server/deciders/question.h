#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "server/control/policy_edition.h"
#include "server/deciders/asker.h"
#include "server/decisions/late_verdict.h"
#include "server/policy/rule_set.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// A packet that is put to a decider.
struct Question {
  using Time = std::chrono::steady_clock::time_point;

  std::shared_ptr<Asker> asker;
  std::shared_ptr<const RuleSet> rules;  // Keeps what `ruling` points to.
  PolicyEdition policy;                  // Theirs.
  Ruling ruling;                         // Whom to ask, and what holds otherwise.
  std::unique_ptr<v1::Packet> packet;    // Never null.
  uint64_t transaction_id = 0;           // The gateway's; the packet may bear another meanwhile.
  Time presented;
  Time expires;  // What holds otherwise is on its way by then.
  Time latest;   // No answer that asks for more time gets more than this.
};

// Room for a verdict to be made ready, sent and carried out, though a thread or two be late.
inline constexpr std::chrono::milliseconds kMargin{5};

// When a packet's answer must be there, and how long it may be held at most: what is left of the
// gateway's own deadline, less the way back and a margin, and no longer than the rule says.
struct QuestionTimes {
  Question::Time expires;
  Question::Time latest;
};
QuestionTimes TimesOf(const v1::DecideHello& hello, const v1::PacketBatch& batch,
                      const v1::Packet& packet, std::chrono::milliseconds within,
                      Question::Time now);

// What the rule says behind `else`; `why` that holds.
LateVerdict Otherwise(const Question& question, const char* why, Question::Time now);

// What a decider says, in its words.
LateVerdict Answered(const Question& question, const v1::Verdict& verdict, Question::Time now);

}  // namespace sluice::server
