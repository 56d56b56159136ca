#pragma once

#include <cstdint>
#include <vector>

#include "agent/packets/packet_pipeline.h"
#include "tests/bench/programs/queued_packet.h"

namespace sluice::bench {

// The agent's pipeline between a fake kernel and a fake decider: packets come in, leave as a batch,
// are accepted, and the verdicts go to the kernel.
class PipelineTurns final {
 public:
  // `version` is IPv4's or IPv6's. When this returns, every slot of the table has been used; there
  // are twice as many slots as packets may be pending.
  explicit PipelineTurns(int version)
      : datagram_(QueuedMessage(version)), pipeline_(Options(), &kernel_, nullptr, &events_) {
    pipeline_.BeginTurn(kNow, kNow);
    pipeline_.EnterMode(v1::MODE_ON);
    welcomed_ = pipeline_.OnWelcome(kStream, v1::DecideWelcome()).ok();
    for (size_t i = 0; i < 2 * Options().max_pending; i += 256) Turn(256);
  }
  ~PipelineTurns() { pipeline_.SettleAll(); }

  void Turn(int64_t packets) {
    pipeline_.BeginTurn(kNow, kNow);
    for (int64_t i = 0; i < packets; ++i) {
      SetPacketId(datagram_, ++packet_id_);
      agent::DecodeQueueDatagram(datagram_, pipeline_);
    }
    answers_.clear_verdicts();
    while (v1::PacketBatch* batch = pipeline_.NextBatch(0)) {
      for (const v1::Packet& packet : batch->packets()) {
        v1::Verdict& verdict = *answers_.add_verdicts();
        verdict.set_transaction_id(packet.transaction_id());
        verdict.set_action(v1::ACTION_ACCEPT);
      }
      pipeline_.BatchSent();
    }
    pipeline_.OnVerdicts(kStream, answers_);
    pipeline_.Flush();
  }

  // Whether every packet so far was accepted by verdict.
  bool AllAccepted() const {
    v1::QueueStats stats;
    pipeline_.FillStats(stats);
    return welcomed_ && stats.received() == packet_id_ && stats.accepted() == packet_id_;
  }

 private:
  class Kernel final : public agent::PacketQueue {
   public:
    absl::Status Send(const agent::VerdictBuffer&) override { return absl::OkStatus(); }
    absl::Status SetCopyRange(agent::CopyRange) override { return absl::OkStatus(); }
    absl::Status SetFlags(agent::QueueFlags) override { return absl::OkStatus(); }
  };
  class Events final : public agent::EventSink {
   public:
    void Post(v1::Event) override {}
  };

  // The time of the packets: they never become stale, however long this runs.
  static constexpr int64_t kNow = kQueuedAt * int64_t{1'000'000'000};
  static constexpr uint32_t kStream = 1;
  static agent::PipelineOptions Options() {
    agent::PipelineOptions options;
    options.mark_mask = 0xff000000;
    return options;
  }

  std::vector<uint8_t> datagram_;
  Kernel kernel_;
  Events events_;
  agent::PacketPipeline pipeline_;
  v1::VerdictBatch answers_;
  uint32_t packet_id_ = 0;
  bool welcomed_ = false;
};

}  // namespace sluice::bench
