#include "server/decide/decide_outbox.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

// Verdicts that may wait for a peer that does not read: eight full batches. An agent has one or two
// batches under way on a local link, and some more on a long one.
constexpr int kMaxVerdicts = 8 * 1024;
constexpr size_t kMaxHeartbeats = 16;

}  // namespace

std::string Basis::Token() const {
  return absl::StrCat(absl::Hex(incarnation), ".", policy.version, ".", policy.revision, ".",
                      deciders, ".", screened ? 1 : 0);
}

std::string Basis::Label() const {
  std::string words = absl::StrCat(policy.version);
  if (policy.revision > 0) absl::StrAppend(&words, " (sets: ", policy.revision, ")");
  if (deciders > 0) absl::StrAppend(&words, " (deciders: ", deciders, ")");
  if (screened) absl::StrAppend(&words, " (screened)");
  return words;
}

void DecideOutbox::Welcome(const Basis& basis) {
  welcome_due_ = true;
  told_ = basis;
}

v1::Verdict* DecideOutbox::Add() {
  verdicts_due_ = true;
  return verdicts_[filling_].mutable_verdicts()->add_verdicts();
}

void DecideOutbox::Acknowledge(uint64_t batch) {
  verdicts_due_ = true;
  acknowledged_ = batch;
}

void DecideOutbox::Tell(const Basis& basis) {
  if (basis == told_) return;
  told_ = basis;
  retune_due_ = true;
  wrote_verdicts_ = false;  // Verdicts that are due go before the Retune.
}

void DecideOutbox::Echo(const v1::Heartbeat& heartbeat) { heartbeats_.push_back(heartbeat); }

const v1::DecideResponse* DecideOutbox::Next() {
  if (std::exchange(welcome_due_, false)) {
    other_.mutable_welcome()->set_policy_token(told_.Token());
    other_.mutable_welcome()->set_policy_label(told_.Label());
    return &other_;
  }
  // Verdicts first, but never twice in a row while something else waits.
  const bool others = retune_due_ || !heartbeats_.empty();
  if (verdicts_due_ && !(others && wrote_verdicts_)) {
    verdicts_due_ = false;
    wrote_verdicts_ = true;
    verdicts_[filling_].mutable_verdicts()->set_received_batch(acknowledged_);
    const v1::DecideResponse* next = &verdicts_[filling_];
    filling_ = 1 - filling_;
    // Clears only the batch within the message, so that the batch keeps its memory.
    verdicts_[filling_].mutable_verdicts()->Clear();
    return next;
  }
  wrote_verdicts_ = false;
  if (std::exchange(retune_due_, false)) {
    other_.mutable_retune()->set_policy_token(told_.Token());
    other_.mutable_retune()->set_policy_label(told_.Label());
    return &other_;
  }
  if (heartbeats_.empty()) return nullptr;
  *other_.mutable_heartbeat() = heartbeats_.front();
  heartbeats_.pop_front();
  return &other_;
}

bool DecideOutbox::Full() const {
  return verdicts_[filling_].verdicts().verdicts_size() >= kMaxVerdicts ||
         heartbeats_.size() >= kMaxHeartbeats;
}

}  // namespace sluice::server
