#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "server/policies/policy_edition.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// What verdicts are based on. When an agent is told another basis, it forgets what it remembers.
struct Basis {
  PolicyEdition policy;
  bool screened = false;
  uint64_t deciders = 0;     // How often a decider that rules ask has changed its policy.
  uint32_t incarnation = 0;  // ServerOptions::incarnation.

  bool operator==(const Basis& other) const = default;
  // DecideWelcome's policy_token and policy_label.
  std::string Token() const;
  std::string Label() const;
};

// What waits to be written to one Decide stream. Verdicts added until the next message is written
// go out in one batch, which acknowledges all packets received so far. One thread at a time.
class DecideOutbox final {
 public:
  void Welcome(const Basis& basis);
  // The basis the agent was told last.
  const Basis& told() const { return told_; }

  // Its verdicts go out with the next batch.
  void Add(const v1::VerdictBatch& batch);
  // The packet batch with this number has been received.
  void Acknowledge(uint64_t batch);
  // The verdicts added so far are based on `basis`. If the agent was told another one, a Retune
  // follows those verdicts; the agent then forgets all it remembers by earlier bases, so a
  // remembered verdict never outlives its policy.
  void Tell(const Basis& basis);
  void Echo(const v1::Heartbeat& heartbeat);

  // The next message, serialized; nullopt if there is none. It stays unchanged until the next call.
  std::optional<std::string_view> Next();
  // More is waiting to be written than the peer may leave unread.
  bool Full() const;

 private:
  std::string_view TakeVerdicts();

  bool welcome_due_ = false;
  Basis told_;
  bool retune_due_ = false;
  uint64_t acknowledged_ = 0;
  bool verdicts_due_ = false;
  bool wrote_verdicts_ = false;
  // Verdicts wait serialized: as messages they would take several times the memory, of each stream.
  std::string batch_;    // A v1::VerdictBatch without received_batch.
  size_t verdicts_ = 0;  // How many it has.
  std::string message_;  // What Next returned last.
  std::deque<v1::Heartbeat> heartbeats_;
};

}  // namespace sluice::server
