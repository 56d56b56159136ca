#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "server/control/policy_edition.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// What verdicts follow; the agent forgets those it remembers when it is told of another.
struct Basis {
  PolicyEdition policy;
  bool screened = false;
  uint64_t deciders = 0;  // How often one that rules ask has had another policy.
  uint32_t run = 0;       // ServerOptions's.

  bool operator==(const Basis& other) const = default;
  std::string Words() const;
};

// What is still to be sent on a Decide stream. What comes while a message is being written is
// merged: one batch of verdicts, acknowledging all that was received. One thread at a time.
class DecideOutbox final {
 public:
  void Welcome(const Basis& basis);
  // What the agent was told last.
  const Basis& told() const { return told_; }

  // A verdict to be filled in; it goes out with the next batch.
  v1::Verdict* Add();
  // The batch of that number has been received.
  void Acknowledge(uint64_t batch);
  // What was added follows this basis. A Retune comes behind it if the agent was told another:
  // what it remembers of that, and of all before, is void then, so a verdict of an old policy
  // never outlives it.
  void Tell(const Basis& basis);
  void Echo(const v1::Heartbeat& heartbeat);

  // The next message, nullptr if there is none. It is left alone until the next call.
  const v1::DecideResponse* Next();
  // The peer has left more unread than it may.
  bool Full() const;

 private:
  bool welcome_due_ = false;
  Basis told_;
  bool retune_due_ = false;
  uint64_t acknowledged_ = 0;
  bool verdicts_due_ = false;
  bool wrote_verdicts_ = false;
  // One being written, one being filled.
  std::array<v1::DecideResponse, 2> verdicts_;
  size_t filling_ = 0;
  v1::DecideResponse other_;
  std::deque<v1::Heartbeat> heartbeats_;
};

}  // namespace sluice::server
