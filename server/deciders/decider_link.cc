#include "server/deciders/decider_link.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/streams/silence.h"

namespace sluice::server {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBeat{200};  // See decision.proto.
constexpr int kMaxErrors = 16;
// Connecting takes up to half a second; then the decider has as long again.
constexpr milliseconds kWelcomeTimeout{1000};
// The delay before dialling again. It grows with each failed attempt and always has jitter, so that
// many servers do not come back in step.
constexpr int kMinDelayMs = 100;
constexpr int kMaxDelayMs = 500;
// Two batches keep a local link busy, as one is answered while the next travels. Beyond that, one
// batch for each millisecond of round trip may be under way.
constexpr int64_t kBatchesAtLeast = 2;
constexpr int64_t kBatchesAtMost = 64;

}  // namespace

DeciderLink::DeciderLink(std::string who, std::string address, const v1::DecideHello* hello,
                         DeciderDialer* dialer, Listener* listener)
    : who_(std::move(who)),
      address_(std::move(address)),
      hello_(hello),
      dialer_(dialer),
      listener_(listener),
      random_(std::random_device{}()) {}

void DeciderLink::Run(Time now) {
  // If this thread was stopped, the time it missed does not count as the decider's silence.
  if (last_run_ != Time()) {
    const Duration late = now - std::max(NextTimer(), last_run_);
    if (late > kBeat) heard_ += late;
  }
  last_run_ = now;
  switch (state_) {
    case State::kWaiting:
      if (now >= redial_) Dial(now);
      break;
    case State::kGreeting:
      if (now - dialled_ >= kWelcomeTimeout) Lose(now, "did not welcome us within a second");
      break;
    case State::kWelcomed:
      if (now - heard_ >= kSilence) {
        Lose(now, "was silent for 600 ms");
      } else if (now >= beat_ && !writing_) {
        Beat(now);
      }
      break;
  }
}

DeciderLink::Time DeciderLink::NextTimer() const {
  switch (state_) {
    case State::kWaiting:
      return redial_;
    case State::kGreeting:
      return dialled_ + kWelcomeTimeout;
    case State::kWelcomed:
      break;
  }
  // A heartbeat that is due waits for the end of the write under way.
  return writing_ ? heard_ + kSilence : std::min(heard_ + kSilence, beat_);
}

bool DeciderLink::CanSend() const {
  const int64_t cap =
      std::clamp(std::chrono::duration_cast<milliseconds>(round_trip_).count(),
                 milliseconds::rep{kBatchesAtLeast}, milliseconds::rep{kBatchesAtMost});
  return welcomed() && !writing_ && sent_batch_ - acknowledged_batch_ < static_cast<uint64_t>(cap);
}

void DeciderLink::Send(v1::PacketBatch* batch) {
  batch->set_batch(++sent_batch_);
  outgoing_.mutable_packets()->Swap(batch);
  Write();
  outgoing_.mutable_packets()->Swap(batch);
}

void DeciderLink::Complain(uint64_t transaction_id, v1::VerdictError error, std::string_view text) {
  if (errors_.entries_size() == kMaxErrors) {
    errors_.set_suppressed(errors_.suppressed() + 1);
    return;
  }
  v1::VerdictErrors::Entry* entry = errors_.add_entries();
  entry->set_transaction_id(transaction_id);
  entry->set_error(error);
  entry->set_text(text.data(), text.size());
}

void DeciderLink::OnMessage(const v1::DecideResponse& message, Time now) {
  heard_ = now;
  if (state_ == State::kGreeting) {
    if (message.has_welcome()) {
      Welcome(message.welcome(), now);
    } else {
      Lose(now, "did not begin with a welcome");
    }
    return;
  }
  switch (message.message_case()) {
    case v1::DecideResponse::kWelcome:
      Lose(now, "sent a second welcome");
      break;
    case v1::DecideResponse::kVerdicts:
      TakeVerdicts(message.verdicts(), now);
      break;
    case v1::DecideResponse::kHeartbeat:
      TakeEcho(message.heartbeat().sequence(), now);
      break;
    case v1::DecideResponse::kRetune:
      // A relay cannot fulfil packet options.
      listener_->OnPolicy(this, message.retune().policy_token());
      break;
    case v1::DecideResponse::MESSAGE_NOT_SET:
      break;  // Of a newer decider.
  }
}

void DeciderLink::OnWritten(Time now) {
  writing_ = false;
  if (welcomed() && now >= beat_) Beat(now);
}

void DeciderLink::OnEnded(const absl::Status& status, Time now) {
  if (status.ok()) {
    Lose(now, "ended the stream");
  } else if (absl::IsUnimplemented(status)) {
    Lose(now, "offers no sluice.v1.DecisionService (is another program listening there?)");
  } else {
    Lose(now, absl::StrCat("cannot be asked: ", OneLine(std::string(status.message()), 256)));
  }
}

void DeciderLink::Dial(Time now) {
  sent_batch_ = acknowledged_batch_ = 0;
  errors_.Clear();
  state_ = State::kGreeting;
  dialled_ = heard_ = now;
  stream_ = dialer_->Dial(address_, this);
  *outgoing_.mutable_hello() = *hello_;
  Write();
}

void DeciderLink::Welcome(const v1::DecideWelcome& welcome, Time now) {
  state_ = State::kWelcomed;
  // Not known yet: measured with the welcome, it would include connecting.
  round_trip_ = Duration(0);
  echo_due_ = false;
  beat_ = now;
  failures_ = 0;
  complaint_.clear();
  if (const auto left_out = lines_.Allow(now)) {
    spdlog::info("{}: {} connected{}", who_, address_, *left_out);
  }
  listener_->OnPolicy(this, welcome.policy_token());
}

void DeciderLink::TakeVerdicts(const v1::VerdictBatch& verdicts, Time now) {
  if (verdicts.received_batch() > sent_batch_) {
    Lose(now, absl::StrCat("acknowledged batch ", verdicts.received_batch(), ", but only ",
                           sent_batch_, " were sent"));
    return;
  }
  acknowledged_batch_ = std::max(acknowledged_batch_, verdicts.received_batch());
  listener_->OnVerdicts(this, verdicts, now);
}

void DeciderLink::TakeEcho(uint64_t sequence, Time now) {
  if (!echo_due_ || sequence != heartbeat_) return;
  echo_due_ = false;
  const Duration measured = std::max<Duration>(now - beaten_, Duration(1));
  round_trip_ += (measured - round_trip_) / (round_trip_.count() == 0 ? 1 : 4);
}

void DeciderLink::Beat(Time now) {
  // Errors are for people who debug a decider, so they need not be sent often.
  if (errors_.entries_size() > 0) {
    outgoing_.mutable_errors()->Swap(&errors_);
    errors_.Clear();
    Write();
    return;
  }
  beat_ = now + kBeat;
  beaten_ = now;
  echo_due_ = true;
  outgoing_.mutable_heartbeat()->set_sequence(++heartbeat_);
  Write();
}

void DeciderLink::Write() {
  writing_ = true;
  stream_->Write(outgoing_);
}

void DeciderLink::Lose(Time now, const std::string& reason) {
  // Each reason is logged once, until the decider welcomes us or another reason comes.
  if (complaint_ != reason) {
    if (const auto left_out = lines_.Allow(now)) {
      spdlog::warn("{}: {} {}; trying again{}", who_, address_, reason, *left_out);
    }
    complaint_ = reason;
  }
  const bool was_welcomed = welcomed();
  stream_.reset();
  writing_ = false;
  state_ = State::kWaiting;
  round_trip_ = Duration(0);
  redial_ = now + RedialDelay();
  if (was_welcomed) listener_->OnLost(this, now);
}

DeciderLink::Duration DeciderLink::RedialDelay() {
  failures_ = std::min(failures_ + 1, kMaxDelayMs / kMinDelayMs);
  const int ceiling = std::min(kMinDelayMs * (failures_ + 1), kMaxDelayMs);
  return milliseconds(std::uniform_int_distribution<int>(kMinDelayMs, ceiling)(random_));
}

}  // namespace sluice::server
