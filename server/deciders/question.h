#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "server/deciders/asking_stream.h"
#include "server/policies/policy_edition.h"
#include "server/policy/rule_set.h"
#include "server/verdicts/verdict.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// A packet that a decider is asked about.
struct Question {
  using Time = std::chrono::steady_clock::time_point;

  std::shared_ptr<AskingStream> asker;
  std::shared_ptr<const RuleSet> rules;  // Keeps alive what `ruling` points to.
  PolicyEdition policy;                  // That of `rules`.
  Ruling ruling;                         // Whom to ask, and the verdict without an answer.
  std::unique_ptr<v1::Packet> packet;    // Never null.
  uint64_t transaction_id = 0;           // The gateway's. The packet may carry the relay's.
  Time presented;
  Time expires;  // Without an answer by then, Otherwise is sent.
  Time latest;   // The latest `expires`, however often answers ask for more time.
};

// Time to prepare a verdict, send it and carry it out, even if a thread or two run late.
inline constexpr std::chrono::milliseconds kMargin{5};

// When a packet's answer must have come (`expires`) and how long the packet may be held at most
// (`latest`): what is left of the gateway's own deadline, less the way back and kMargin. `expires`
// is also no later than the rule says.
struct QuestionTimes {
  Question::Time expires;
  Question::Time latest;
};
QuestionTimes TimesOf(const v1::DecideHello& hello, const v1::PacketBatch& batch,
                      const v1::Packet& packet, std::chrono::milliseconds within,
                      Question::Time now);

// The verdict the rule gives behind `else`. `why` says why it holds.
DeferredVerdict Otherwise(const Question& question, const char* why, Question::Time now);

// The decider's own verdict.
DeferredVerdict Answered(const Question& question, const v1::Verdict& verdict, Question::Time now);

}  // namespace sluice::server
