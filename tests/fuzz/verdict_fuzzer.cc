// Messages of a decider to a queue that receives packets. Whatever the decider sends, each packet
// must be answered once and counted once.
#include <linux/netlink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "agent/packets/accounted_for.h"
#include "agent/packets/packet_pipeline.h"
#include "sluice/v1/decision.pb.h"
#include "sluice/v1/stats.pb.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/verdict_script.pb.h"

namespace sluice::agent {
namespace {

constexpr uint64_t kIndex = 2;
constexpr int kTagShift = 56;
constexpr size_t kMaxPending = 16;
constexpr int kMaxTurns = 200;

// Requires that each packet is answered once.
class Kernel final : public PacketQueue {
 public:
  uint32_t NextPacket() {
    waiting_.insert(++last_id_);
    return last_id_;
  }

  absl::Status Send(const VerdictBuffer& verdicts) override {
    auto bytes = verdicts.bytes();
    while (!bytes.empty()) {
      nlmsghdr header;
      Require(bytes.size() >= sizeof header);
      std::memcpy(&header, bytes.data(), sizeof header);
      Require(header.nlmsg_len >= sizeof header && header.nlmsg_len <= bytes.size());
      // The sequence number of a verdict message is its packet's id.
      Require(waiting_.erase(header.nlmsg_seq) == 1);
      bytes = bytes.subspan(header.nlmsg_len);
    }
    return Setting();
  }
  absl::Status SetCopyRange(CopyRange range) override {
    Require(range.meta || range.bytes <= kLargestCopyRange);
    return Setting();
  }
  absl::Status SetFlags(QueueFlags) override { return Setting(); }

  void Fail(bool fails) { fails_ = fails; }
  bool empty() const { return waiting_.empty(); }

 private:
  absl::Status Setting() const {
    return fails_ ? absl::UnavailableError("as the script says") : absl::OkStatus();
  }

  std::set<uint32_t> waiting_;
  uint32_t last_id_ = 0;
  bool fails_ = false;
};

class Events final : public EventSink {
 public:
  void Post(v1::Event event) override { Require(event.has_packet()); }
};

PipelineOptions Options(const VerdictScript& script) {
  PipelineOptions options;
  options.queue = 2;
  options.index = kIndex;
  options.queue_count = 4;
  options.max_pending = kMaxPending;
  options.max_pending_bytes = 4096;
  options.hold_limit_ns = script.hold_nothing() ? 0 : options.hold_limit_ns;
  options.fail_open = script.fail_open();
  options.mark_mask = script.operators_rules() ? 0 : 0xff000000;
  return options;
}

class Player final {
 public:
  explicit Player(const VerdictScript& script)
      : pipeline_(Options(script), &kernel_, nullptr, &events_) {
    pipeline_.BeginTurn(now_ns_, now_ns_);
    pipeline_.EnterMode(v1::MODE_ON);
  }

  // Does what QueueLoop::Turn does.
  void Play(const ScriptTurn& turn) {
    now_ns_ += int64_t{turn.after_us()} * 1000;
    pipeline_.BeginTurn(now_ns_, now_ns_);
    kernel_.Fail(turn.socket_fails());
    if (turn.mode() >= v1::MODE_OFF && turn.mode() <= v1::MODE_SHADOW) {
      pipeline_.EnterMode(turn.mode());
    }
    if (turn.has_response()) Hear(turn.response());
    if (turn.lost()) Lose();
    if (turn.nobody() && !connected_) pipeline_.OnNobody();
    pipeline_.ExpireDeadlines();
    pipeline_.Flush();
    for (const ScriptPacket& packet : turn.packets()) Queue(packet);
    if (turn.error() > 0 && turn.error() < 4096) {
      pipeline_.OnKernelError(turn.error_packet_id(), static_cast<int>(turn.error()));
    }
    pipeline_.Drained();
    if (connected_) SendBatches();
    pipeline_.Flush();
    v1::VerdictErrors errors;
    if (pipeline_.TakeErrors(errors)) Require(errors.ByteSizeLong() > 0);
    CheckCounters();
  }

  void Stop() {
    pipeline_.SettleAll();
    CheckCounters();
    Require(!pipeline_.NextDeadline());
    Require(kernel_.empty());
  }

 private:
  // Does what Conversation and DecisionClient do.
  void Hear(v1::DecideResponse response) {
    if (!connected_) {
      if (!response.has_welcome()) return;
      connected_ = pipeline_.OnWelcome(++stream_, response.welcome()).ok();
    } else if (response.has_welcome()) {
      Lose();
    } else if (response.has_retune()) {
      if (!pipeline_.OnRetune(response.retune()).ok()) Lose();
    } else if (response.has_verdicts()) {
      for (v1::Verdict& verdict : *response.mutable_verdicts()->mutable_verdicts()) {
        const uint64_t id = verdict.transaction_id();
        if (id >> kTagShift == 0) verdict.set_transaction_id(kIndex << kTagShift | id);
      }
      pipeline_.OnVerdicts(stream_, response.verdicts());
    }
  }

  void Lose() {
    if (connected_) pipeline_.OnLost();
    connected_ = false;
  }

  void Queue(const ScriptPacket& packet) {
    QueuedPacket queued;
    queued.packet_id = kernel_.NextPacket();
    queued.queue = 2;
    queued.hw_protocol = static_cast<uint16_t>(packet.hw_protocol());
    queued.mark = packet.mark();
    queued.skb_info = packet.skb_info();
    if (packet.age_us() != 0) queued.timestamp_ns = now_ns_ - int64_t{packet.age_us()} * 1000;
    if (!packet.meta()) {
      const std::string& payload = packet.payload();
      queued.has_payload = true;
      queued.payload = {reinterpret_cast<const uint8_t*>(payload.data()), payload.size()};
      queued.original_length =
          static_cast<uint32_t>(payload.size()) + std::min<uint32_t>(packet.cut(), 1 << 20);
    }
    pipeline_.OnPacket(queued);
  }

  void SendBatches() {
    while (const v1::PacketBatch* batch = pipeline_.NextBatch(1'000'000)) {
      Require(batch->packets_size() > 0);
      const auto& left = batch->time_left();
      Require(left.seconds() > 0 || (left.seconds() == 0 && left.nanos() > 0));
      for (const v1::Packet& packet : batch->packets()) {
        Require(packet.transaction_id() >> kTagShift == kIndex);
      }
      Require(!batch->SerializeAsString().empty());
      pipeline_.BatchSent();
    }
  }

  void CheckCounters() const {
    v1::QueueStats stats;
    pipeline_.FillStats(stats);
    Require(stats.received() == AccountedFor(stats));
    Require(stats.pending() <= kMaxPending);
    Require(pipeline_.NextDeadline().has_value() == (stats.pending() > 0));
  }

  Kernel kernel_;
  Events events_;
  PacketPipeline pipeline_;
  int64_t now_ns_ = 1'000'000'000'000;
  bool connected_ = false;
  uint32_t stream_ = 0;
};

}  // namespace
}  // namespace sluice::agent

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spdlog::set_level(spdlog::level::off);
  sluice::agent::VerdictScript script;
  // If the bytes are not a whole message, it keeps the fields before the error.
  script.ParsePartialFromArray(data, static_cast<int>(size));
  sluice::agent::Player player(script);
  const int turns = std::min(script.turns_size(), sluice::agent::kMaxTurns);
  for (int i = 0; i < turns; ++i) player.Play(script.turns(i));
  player.Stop();
  return 0;
}
