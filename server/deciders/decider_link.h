#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "server/deciders/decider_stream.h"
#include "sluice/v1/decision.pb.h"
#include "third_party/daemon/log_limit.h"

namespace sluice::server {

// This server's end of the Decide conversation with one decider (decision.proto), as a relay:
// dialling, hello and welcome, heartbeats and their echo, silence taken for death, dialling again,
// batches and their acknowledgements. One thread.
class DeciderLink final : private DeciderStream::Listener {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  // Called from within Run, or when the stream is heard of.
  class Listener {
   public:
    // Welcomed by a decider whose policy has that version, or it has another now.
    virtual void OnPolicy(DeciderLink* link, const std::string& version) = 0;
    virtual void OnVerdicts(DeciderLink* link, const v1::VerdictBatch& verdicts, Time now) = 0;
    // The stream that was welcomed is gone.
    virtual void OnLost(DeciderLink* link, Time now) = 0;

   protected:
    ~Listener() = default;
  };

  // `who` begins log lines. No pointer is owned.
  DeciderLink(std::string who, std::string address, const v1::DecideHello* hello,
              DeciderDialer* dialer, Listener* listener);
  DeciderLink(const DeciderLink&) = delete;
  DeciderLink& operator=(const DeciderLink&) = delete;

  // Does what is due.
  void Run(Time now);
  // When Run is next due though nothing came.
  Time NextTimer() const;

  // A batch may be sent now: no write is under way and fewer batches than the cap are
  // unacknowledged. If not, something will be heard of the stream when that changes.
  bool CanSend() const;
  // Numbers and sends the batch, and gives it back.
  void Send(v1::PacketBatch* batch);
  // An answer that was not carried out; told to the decider with the next heartbeat.
  void Complain(uint64_t transaction_id, v1::VerdictError error, std::string_view text);

  const std::string& address() const { return address_; }
  bool welcomed() const { return state_ == State::kWelcomed; }
  // Smoothed; 0 until the first heartbeat has come back.
  Duration round_trip() const { return round_trip_; }

 private:
  enum class State { kWaiting, kGreeting, kWelcomed };

  void OnMessage(const v1::DecideResponse& message, Time now) override;
  void OnWritten(Time now) override;
  void OnEnded(const grpc::Status& status, Time now) override;

  void Dial(Time now);
  void Welcome(const v1::DecideWelcome& welcome, Time now);
  void TakeVerdicts(const v1::VerdictBatch& verdicts, Time now);
  void TakeEcho(uint64_t sequence, Time now);
  void Beat(Time now);
  void Write();
  void Lose(Time now, const std::string& reason);
  Duration RedialDelay();

  const std::string who_;
  const std::string address_;
  const v1::DecideHello* const hello_;  // Not owned, nor are these.
  DeciderDialer* const dialer_;
  Listener* const listener_;

  State state_ = State::kWaiting;
  std::unique_ptr<DeciderStream> stream_;
  bool writing_ = false;
  v1::DecideRequest outgoing_;
  v1::VerdictErrors errors_;
  uint64_t sent_batch_ = 0;
  uint64_t acknowledged_batch_ = 0;
  uint64_t heartbeat_ = 0;  // The last one's number.
  bool echo_due_ = false;
  Duration round_trip_{0};
  Time last_run_;
  Time redial_;
  Time dialled_;
  Time heard_;
  Time beat_;  // When the next is due.
  Time beaten_;
  int failures_ = 0;       // Dialled in vain, in a row.
  std::string complaint_;  // What was logged last.
  // A decider that comes and goes must not fill the log.
  LogLimit lines_{20, std::chrono::seconds(10)};
  std::minstd_rand random_;
};

}  // namespace sluice::server
