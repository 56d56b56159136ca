#include "server/decide/decide_outbox.h"

#include <google/protobuf/io/coded_stream.h>

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

// Verdicts that may wait for a peer that does not read: eight full batches. An agent has one or two
// batches under way on a local link, and some more on a long one.
constexpr size_t kMaxVerdicts = 8 * 1024;
constexpr size_t kMaxHeartbeats = 16;

// Buffers up to this size are kept for the next verdicts.
constexpr size_t kKeptBuffer = 16 << 10;

template <typename Words>
void FillIn(const Basis& basis, Words* words) {
  words->set_policy_token(basis.Token());
  words->set_policy_label(basis.Label());
}

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

void DecideOutbox::Add(const v1::VerdictBatch& batch) {
  verdicts_due_ = true;
  verdicts_ += static_cast<size_t>(batch.verdicts_size());
  batch.AppendToString(&batch_);
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

std::optional<std::string_view> DecideOutbox::Next() {
  message_.clear();
  if (message_.capacity() > kKeptBuffer) message_.shrink_to_fit();
  v1::DecideResponse next;
  if (std::exchange(welcome_due_, false)) {
    FillIn(told_, next.mutable_welcome());
  } else if (verdicts_due_ && !(wrote_verdicts_ && (retune_due_ || !heartbeats_.empty()))) {
    // Verdicts first, but never twice in a row while something else waits.
    wrote_verdicts_ = true;
    return TakeVerdicts();
  } else if (std::exchange(retune_due_, false)) {
    FillIn(told_, next.mutable_retune());
  } else if (!heartbeats_.empty()) {
    *next.mutable_heartbeat() = heartbeats_.front();
    heartbeats_.pop_front();
  } else {
    wrote_verdicts_ = false;
    return std::nullopt;
  }
  wrote_verdicts_ = false;
  next.SerializeToString(&message_);
  return message_;
}

std::string_view DecideOutbox::TakeVerdicts() {
  using google::protobuf::io::CodedOutputStream;
  verdicts_due_ = false;
  verdicts_ = 0;
  v1::VerdictBatch received;
  received.set_received_batch(acknowledged_);
  received.AppendToString(&batch_);
  // DecideResponse.verdicts: tag and length, then the batch.
  constexpr uint32_t kTag = v1::DecideResponse::kVerdictsFieldNumber << 3 | 2;
  std::array<uint8_t, 10> head;
  uint8_t* end = CodedOutputStream::WriteVarint32ToArray(kTag, head.data());
  end = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(batch_.size()), end);
  message_.assign(head.data(), end);
  message_.append(batch_);
  batch_.clear();
  if (batch_.capacity() > kKeptBuffer) batch_.shrink_to_fit();
  return message_;
}

bool DecideOutbox::Full() const {
  return verdicts_ >= kMaxVerdicts || heartbeats_.size() >= kMaxHeartbeats;
}

}  // namespace sluice::server
