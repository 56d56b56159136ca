#pragma once

// What the tests of PacketPipeline share: a fake of the kernel's queue, and verbs to play the
// decider.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>

#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/packets/accounted_for.h"
#include "agent/packets/packet_pipeline.h"

namespace sluice::agent {

inline constexpr int64_t kMs = 1'000'000;
inline constexpr uint32_t kMarkMask = 0xff000000;
inline constexpr uint32_t kDecided = 0x01000000;
inline constexpr uint32_t kStream = 1;
inline constexpr uint8_t kUdp[] = {0x45, 0, 0,  28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0,
                                   0,    1, 10, 0,  0, 2, 0, 1, 0,  2,  0, 8, 0,  0};

struct Given {
  bool accepted = false;
  uint32_t verdict = 0;
  std::optional<uint32_t> mark = {};
  std::string payload = {};
};

// Records what the kernel was told about each packet.
class FakeQueue final : public PacketQueue {
 public:
  absl::Status Send(const VerdictBuffer& verdicts) override {
    ++sends;
    if (!failure.ok()) return failure;
    const auto bytes = verdicts.bytes();
    for (size_t at = 0; at < bytes.size();) {
      nlmsghdr header;
      std::memcpy(&header, bytes.data() + at, sizeof header);
      nfqnl_msg_verdict_hdr verdict;
      std::memcpy(&verdict, bytes.data() + at + 24, sizeof verdict);
      Given one{.accepted = ntohl(verdict.verdict) == 1, .verdict = ntohl(verdict.verdict)};
      for (size_t attribute = at + 32; attribute < at + header.nlmsg_len;) {
        nlattr head;
        std::memcpy(&head, bytes.data() + attribute, sizeof head);
        const auto* value = reinterpret_cast<const char*>(bytes.data() + attribute + sizeof head);
        if (head.nla_type == NFQA_MARK) {
          uint32_t mark;
          std::memcpy(&mark, value, sizeof mark);
          one.mark = ntohl(mark);
        } else if (head.nla_type == NFQA_PAYLOAD) {
          one.payload.assign(value, head.nla_len - sizeof head);
        }
        attribute += (head.nla_len + 3u) & ~3u;
      }
      EXPECT_TRUE(given.emplace(ntohl(verdict.id), one).second) << "answered twice";
      at += header.nlmsg_len;
    }
    return absl::OkStatus();
  }
  absl::Status SetCopyRange(CopyRange wanted) override {
    if (!copy_range_failure.ok()) return copy_range_failure;
    range = wanted;
    return absl::OkStatus();
  }

  absl::Status SetFlags(QueueFlags wanted) override {
    if (!flags_failure.ok()) return flags_failure;
    flags = wanted;
    return absl::OkStatus();
  }

  std::map<uint32_t, Given> given;
  absl::Status failure;             // Of Send.
  absl::Status copy_range_failure;  // Of SetCopyRange.
  absl::Status flags_failure;       // Of SetFlags.
  CopyRange range;
  QueueFlags flags;
  int sends = 0;
};

class FakeEvents final : public EventSink {
 public:
  void Post(v1::Event event) override { events.push_back(std::move(event)); }
  std::vector<v1::Event> events;
};

class PacketPipelineTest : public testing::Test {
 protected:
  PacketPipelineTest() { Make({}); }

  void Make(PipelineOptions options) {
    if (options.queue == 0) options.queue = 2;
    options.index = 2;
    options.queue_count = 4;
    options.mark_mask = kMarkMask;
    pipeline_.emplace(options, &queue_, nullptr, &events_);
    At(0);
    pipeline_->EnterMode(v1::MODE_ON);
  }
  void Connect(const v1::PacketOptions& packet_options = {}) {
    ASSERT_TRUE(Welcome(kStream, packet_options).ok());
  }
  absl::Status Welcome(uint32_t stream, const v1::PacketOptions& packet_options = {},
                       const std::string& policy_token = "1") {
    v1::DecideWelcome welcome;
    *welcome.mutable_packet_options() = packet_options;
    welcome.set_policy_token(policy_token);
    return pipeline_->OnWelcome(stream, welcome);
  }
  absl::Status Retune(const v1::PacketOptions& packet_options = {},
                      const std::string& policy_token = "1") {
    v1::Retune retune;
    *retune.mutable_packet_options() = packet_options;
    retune.set_policy_token(policy_token);
    return pipeline_->OnRetune(retune);
  }
  void At(int64_t ms) {
    now_ns_ = 1000'000 * kMs + ms * kMs;
    pipeline_->BeginTurn(now_ns_, now_ns_ + 7 * kMs);
    pipeline_->ExpireDeadlines();
  }
  // The kernel delivers a UDP packet of the family.
  void Push(uint32_t id, uint32_t mark = 0, uint16_t hw_protocol = 0x0800) {
    static const std::vector<uint8_t> v4(std::begin(kUdp), std::end(kUdp));
    static const std::vector<uint8_t> v6 = [] {
      std::vector<uint8_t> bytes(48);
      bytes[0] = 0x60;
      bytes[5] = 8;
      bytes[6] = 17;
      return bytes;
    }();
    QueuedPacket packet;
    packet.packet_id = id;
    packet.hw_protocol = hw_protocol;
    packet.hook = 2;
    packet.mark = mark;
    packet.input_ifindex = input_ifindex_;
    packet.output_ifindex = output_ifindex_;
    packet.has_payload = true;
    packet.payload = hw_protocol == 0x86dd ? v6 : v4;
    packet.original_length = static_cast<uint32_t>(packet.payload.size());
    pipeline_->OnPacket(packet);
    pipeline_->Flush();
  }
  // The packets that would be sent to the decider now.
  std::vector<v1::Packet> Asked() {
    std::vector<v1::Packet> asked;
    while (v1::PacketBatch* batch = pipeline_->NextBatch(0)) {
      asked.insert(asked.end(), batch->packets().begin(), batch->packets().end());
      pipeline_->BatchSent();
    }
    return asked;
  }
  void Answer(const std::vector<v1::Verdict>& verdicts, uint32_t stream = kStream) {
    v1::VerdictBatch batch;
    for (const v1::Verdict& verdict : verdicts) *batch.add_verdicts() = verdict;
    pipeline_->OnVerdicts(stream, batch);
    pipeline_->Flush();
  }
  static v1::Verdict Verdict(uint64_t id, v1::Action action) {
    v1::Verdict verdict;
    verdict.set_transaction_id(id);
    verdict.set_action(action);
    return verdict;
  }
  v1::QueueStats Stats() {
    v1::QueueStats stats;
    pipeline_->FillStats(stats);
    return stats;
  }

  void TearDown() override {
    pipeline_->Flush();
    const v1::QueueStats stats = Stats();
    EXPECT_EQ(stats.received(), AccountedFor(stats));
    pipeline_->SettleAll();
    EXPECT_EQ(Stats().pending(), 0u);
    if (queue_.failure.ok()) {
      EXPECT_EQ(queue_.given.size(), stats.received()) << "a packet was left unanswered";
    }
  }

  FakeQueue queue_;
  FakeEvents events_;
  std::optional<PacketPipeline> pipeline_;
  // Of the packets that Push delivers.
  uint32_t input_ifindex_ = 0;
  uint32_t output_ifindex_ = 0;
  int64_t now_ns_ = 0;
};

}  // namespace sluice::agent
