#pragma once

#include <chrono>
#include <optional>

#include "server/control/policy_edition.h"
#include "sluice/v1/decision.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server {

// A verdict that did not come with its batch's: somebody else than the policy was asked for it, a
// screener or a decider that a rule names.
struct LateVerdict {
  const v1::Packet& packet;
  v1::Verdict verdict;  // On it; the reason says who decided.
  // The policy whose rule asked; absent where none has a say.
  std::optional<PolicyEdition> policy;
  uint32_t rule;                                // Its number; 0 where none has a say.
  bool log;                                     // It says `log`.
  std::chrono::steady_clock::duration elapsed;  // Since the packet was presented.
};

// A Decide stream, as those see it who answer its packets late.
class LateAnswered {
 public:
  virtual void Answer(const LateVerdict& late) = 0;
  // Nobody else decides this one after all: the policy does.
  virtual void DecideByPolicy(const v1::Packet& packet,
                              std::chrono::steady_clock::duration elapsed) = 0;

 protected:
  ~LateAnswered() = default;
};

}  // namespace sluice::server
