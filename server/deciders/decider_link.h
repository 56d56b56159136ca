#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/deciders/decider_stream.h"
#include "sluice/v1/decision.pb.h"
#include "third_party/daemon/log_rate_limiter.h"

namespace sluice::server {

// This server's end of the Decide conversation with one decider (decision.proto), as a relay: it
// dials and redials, exchanges hello and welcome, sends heartbeats and takes their echoes, ends a
// silent stream, and sends batches and takes their acknowledgements. One thread.
class DeciderLink final : private DeciderStream::Listener {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  // Called from within Run, or from a callback of the stream.
  class Listener {
   public:
    // The decider has welcomed us and decides by the policy of that token, or has changed to it.
    virtual void OnPolicy(DeciderLink* link, const std::string& token) = 0;
    virtual void OnVerdicts(DeciderLink* link, const v1::VerdictBatch& verdicts, Time now) = 0;
    // The stream has ended after the welcome.
    virtual void OnLost(DeciderLink* link, Time now) = 0;

   protected:
    ~Listener() = default;
  };

  // `who` is the beginning of log lines. No pointer is owned.
  DeciderLink(std::string who, std::string address, const v1::DecideHello* hello,
              DeciderDialer* dialer, Listener* listener);
  DeciderLink(const DeciderLink&) = delete;
  DeciderLink& operator=(const DeciderLink&) = delete;

  // Does what is due.
  void Run(Time now);
  // When to call Run next if no event comes before.
  Time NextTimer() const;

  // A batch may be sent now: the decider has welcomed us, no write is under way, and fewer batches
  // are unacknowledged than the cap allows. If not, the stream reports an event when that changes.
  bool CanSend() const;
  // Numbers the batch and sends it. `batch` keeps its packets.
  void Send(v1::PacketBatch* batch);
  // Reports an answer that was not carried out. The decider is told when the next heartbeat is due.
  void Complain(uint64_t transaction_id, v1::VerdictError error, std::string_view text);

  const std::string& address() const { return address_; }
  bool welcomed() const { return state_ == State::kWelcomed; }
  // The smoothed round trip; 0 until the first heartbeat has come back.
  Duration round_trip() const { return round_trip_; }

 private:
  enum class State { kWaiting, kGreeting, kWelcomed };

  void OnMessage(const v1::DecideResponse& message, Time now) override;
  void OnWritten(Time now) override;
  void OnEnded(const absl::Status& status, Time now) override;

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
  uint64_t heartbeat_ = 0;  // The number of the last one.
  bool echo_due_ = false;
  Duration round_trip_{0};
  Time last_run_;
  Time redial_;
  Time dialled_;
  Time heard_;
  Time beat_;  // When the next heartbeat is due.
  Time beaten_;
  int failures_ = 0;       // Attempts in a row without a welcome.
  std::string complaint_;  // The reason that was logged last.
  // A decider that comes and goes must not fill the log.
  LogRateLimiter lines_{20, std::chrono::seconds(10)};
  std::minstd_rand random_;
};

}  // namespace sluice::server
