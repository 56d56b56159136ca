#include "agent/netfilter/queue/queue_codec.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace sluice::agent {
namespace {

class Recorder final : public QueueMessages {
 public:
  void OnPacket(const QueuedPacket& packet) override {
    packets.push_back(packet);
    payloads.emplace_back(packet.payload.begin(), packet.payload.end());
  }
  void OnKernelError(uint32_t sequence, int error) override {
    errors.emplace_back(sequence, error);
  }
  void OnUnreadable() override { ++unreadable; }

  std::vector<QueuedPacket> packets;
  std::vector<std::string> payloads;
  std::vector<std::pair<uint32_t, int>> errors;
  int unreadable = 0;
};

using Bytes = std::vector<uint8_t>;

Bytes PacketMessage(const std::function<void(nlmsghdr*)>& attributes) {
  Bytes bytes(4096);
  nlmsghdr* message = mnl_nlmsg_put_header(bytes.data());
  message->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
  auto* generic = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  generic->nfgen_family = AF_INET;
  generic->res_id = htons(3);
  attributes(message);
  bytes.resize(message->nlmsg_len);
  return bytes;
}

void PutHeader(nlmsghdr* message, uint32_t id) {
  nfqnl_msg_packet_hdr header{};
  header.packet_id = htonl(id);
  header.hw_protocol = htons(0x0800);
  header.hook = 2;
  mnl_attr_put(message, NFQA_PACKET_HDR, sizeof header, &header);
}

Bytes FullMessage() {
  return PacketMessage([](nlmsghdr* message) {
    PutHeader(message, 77);
    mnl_attr_put_u32(message, NFQA_MARK, htonl(0xabc));
    mnl_attr_put_u32(message, NFQA_IFINDEX_INDEV, htonl(2));
    mnl_attr_put_u32(message, NFQA_IFINDEX_OUTDEV, htonl(3));
    mnl_attr_put_u32(message, NFQA_IFINDEX_PHYSINDEV, htonl(4));
    mnl_attr_put_u32(message, NFQA_IFINDEX_PHYSOUTDEV, htonl(5));
    mnl_attr_put_u32(message, NFQA_SKB_INFO, htonl(NFQA_SKB_GSO));
    mnl_attr_put_u32(message, NFQA_UID, htonl(1000));
    mnl_attr_put_u32(message, NFQA_GID, htonl(100));
    mnl_attr_put_u32(message, NFQA_PRIORITY, htonl(6));
    mnl_attr_put_u32(message, NFQA_CAP_LEN, htonl(1500));
    nfqnl_msg_packet_hw hw{};
    hw.hw_addrlen = htons(6);
    std::memcpy(hw.hw_addr, "\x02\x00\x00\x00\x00\x09", 6);
    mnl_attr_put(message, NFQA_HWADDR, sizeof hw, &hw);
    nfqnl_msg_packet_timestamp time{};
    time.sec = htobe64(1'700'000'000);
    time.usec = htobe64(250'000);
    mnl_attr_put(message, NFQA_TIMESTAMP, sizeof time, &time);
    nlattr* vlan = mnl_attr_nest_start(message, NFQA_VLAN);
    mnl_attr_put_u16(message, NFQA_VLAN_PROTO, htons(0x8100));
    mnl_attr_put_u16(message, NFQA_VLAN_TCI, htons(42));
    mnl_attr_nest_end(message, vlan);
    mnl_attr_put(message, NFQA_L2HDR, 4, "l2hd");
    mnl_attr_put(message, NFQA_SECCTX, 3, "ctx");
    mnl_attr_put(message, NFQA_PAYLOAD, 7, "payload");
  });
}

TEST(DecodeQueueDatagram, ReadsEveryAttribute) {
  const Bytes bytes = FullMessage();
  Recorder recorder;
  DecodeQueueDatagram(bytes, recorder);
  ASSERT_EQ(recorder.packets.size(), 1u);
  const QueuedPacket& packet = recorder.packets[0];
  EXPECT_EQ(packet.packet_id, 77u);
  EXPECT_EQ(packet.queue, 3);
  EXPECT_EQ(packet.hw_protocol, 0x0800);
  EXPECT_EQ(packet.hook, 2);
  EXPECT_EQ(packet.mark, 0xabcu);
  EXPECT_EQ(packet.input_ifindex, 2u);
  EXPECT_EQ(packet.output_ifindex, 3u);
  EXPECT_EQ(packet.physical_input_ifindex, 4u);
  EXPECT_EQ(packet.physical_output_ifindex, 5u);
  EXPECT_EQ(packet.skb_info, kSkbGso);
  EXPECT_EQ(packet.uid, 1000u);
  EXPECT_EQ(packet.gid, 100u);
  EXPECT_EQ(packet.priority, 6u);
  EXPECT_EQ(packet.original_length, 1500u);
  EXPECT_EQ(packet.hw_address.size(), 6u);
  EXPECT_EQ(packet.timestamp_ns, 1'700'000'000'250'000'000);
  EXPECT_EQ(packet.vlan_protocol, 0x8100);
  EXPECT_EQ(packet.vlan_tci, 42);
  EXPECT_EQ(packet.l2_header.size(), 4u);
  EXPECT_EQ(packet.security_context, "ctx");
  EXPECT_EQ(recorder.payloads[0], "payload");
  EXPECT_EQ(recorder.unreadable, 0);
}

TEST(DecodeQueueDatagram, LeavesAbsentWhatIsNotThere) {
  const Bytes bytes = PacketMessage([](nlmsghdr* message) { PutHeader(message, 1); });
  Recorder recorder;
  DecodeQueueDatagram(bytes, recorder);
  ASSERT_EQ(recorder.packets.size(), 1u);
  EXPECT_FALSE(recorder.packets[0].has_payload);
  EXPECT_EQ(recorder.packets[0].original_length, 0u);
  EXPECT_FALSE(recorder.packets[0].timestamp_ns);
  EXPECT_FALSE(recorder.packets[0].uid);
}

Bytes ErrorMessage(int code) {
  Bytes bytes(256);
  nlmsghdr* message = mnl_nlmsg_put_header(bytes.data());
  message->nlmsg_type = NLMSG_ERROR;
  auto* error = static_cast<nlmsgerr*>(mnl_nlmsg_put_extra_header(message, sizeof(nlmsgerr)));
  error->error = code;
  error->msg.nlmsg_seq = 9;
  bytes.resize(message->nlmsg_len);
  return bytes;
}

TEST(DecodeQueueDatagram, TellsRefusalsFromAcknowledgements) {
  Bytes bytes = ErrorMessage(-ENOENT);
  const Bytes acknowledgement = ErrorMessage(0);
  bytes.insert(bytes.end(), acknowledgement.begin(), acknowledgement.end());
  Recorder recorder;
  DecodeQueueDatagram(bytes, recorder);
  ASSERT_EQ(recorder.errors.size(), 1u);
  EXPECT_EQ(recorder.errors[0], std::make_pair(9u, ENOENT));
  EXPECT_EQ(recorder.unreadable, 0);
}

TEST(DecodeQueueDatagram, KnowsWhatIsNoErrorNumber) {
  for (const int code : {1, -4096, INT_MIN}) {
    Recorder recorder;
    DecodeQueueDatagram(ErrorMessage(code), recorder);
    EXPECT_TRUE(recorder.errors.empty()) << code;
    EXPECT_EQ(recorder.unreadable, 1) << code;
  }
}

TEST(DecodeQueueDatagram, SaysWhatItCannotRead) {
  const Bytes no_id = PacketMessage([](nlmsghdr*) {});
  Bytes cut = FullMessage();
  cut.resize(cut.size() / 2);
  for (const Bytes& bytes : {no_id, cut, Bytes{1, 2, 3}}) {
    Recorder recorder;
    DecodeQueueDatagram(bytes, recorder);
    EXPECT_EQ(recorder.unreadable, 1);
    EXPECT_TRUE(recorder.packets.empty());
  }
}

TEST(DecodeQueueDatagram, TakesAnyBytes) {
  std::minstd_rand random(3);
  const Bytes seed = FullMessage();
  size_t packets = 0;
  for (int i = 0; i < 100'000; ++i) {
    Bytes bytes = seed;
    for (int changes = static_cast<int>(random() % 8); changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    }
    bytes.resize(random() % 4 == 0 ? random() % bytes.size() : bytes.size());
    bytes.shrink_to_fit();
    Recorder recorder;
    DecodeQueueDatagram(bytes, recorder);
    packets += recorder.packets.size();
  }
  EXPECT_GT(packets, 1000u) << "the mutations must leave some messages readable";
}

TEST(VerdictBuffer, PutsVerdictsOneBehindTheOther) {
  VerdictBuffer verdicts(5);
  verdicts.Add(1, KernelVerdict::kDrop, std::nullopt);
  verdicts.Add(0xffffffff, KernelVerdict::kAccept, 0x1234);
  int left = static_cast<int>(verdicts.bytes().size());
  const auto* message = reinterpret_cast<const nlmsghdr*>(verdicts.bytes().data());
  std::vector<uint32_t> sequences;
  std::vector<uint32_t> decisions;
  while (mnl_nlmsg_ok(message, left)) {
    EXPECT_EQ(message->nlmsg_type, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT);
    EXPECT_EQ(message->nlmsg_flags & NLM_F_ACK, 0);
    sequences.push_back(message->nlmsg_seq);
    const auto* generic = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
    EXPECT_EQ(ntohs(generic->res_id), 5);
    const auto* attribute =
        static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, sizeof(nfgenmsg)));
    nfqnl_msg_verdict_hdr verdict;
    std::memcpy(&verdict, mnl_attr_get_payload(attribute), sizeof verdict);
    EXPECT_EQ(ntohl(verdict.id), message->nlmsg_seq);
    decisions.push_back(ntohl(verdict.verdict));
    message = mnl_nlmsg_next(message, &left);
  }
  EXPECT_EQ(left, 0);
  EXPECT_EQ(sequences, (std::vector<uint32_t>{1, 0xffffffff}));
  EXPECT_EQ(decisions, (std::vector<uint32_t>{0, 1}));
  verdicts.Clear();
  EXPECT_TRUE(verdicts.empty());
}

TEST(VerdictBuffer, CarriesAPayload) {
  VerdictBuffer verdicts(5);
  const std::vector<uint8_t> payload{1, 2, 3, 4, 5};
  verdicts.Add(7, ToQueue(9, true), 0x1234, payload);
  verdicts.Add(8, KernelVerdict::kRepeat, std::nullopt);
  const auto bytes = verdicts.bytes();
  ASSERT_EQ(bytes.size(), 20u + 12 + 8 + 4 + 8 + 20 + 12);
  EXPECT_EQ(bytes[24], 0);
  EXPECT_EQ((std::vector<uint8_t>(bytes.begin() + 24, bytes.begin() + 28)),
            (std::vector<uint8_t>{0, 9, 0x80, 3}))
      << "queue 9, bypass, NF_QUEUE";
  EXPECT_EQ((std::vector<uint8_t>(bytes.begin() + 44, bytes.begin() + 49)), payload);
}

TEST(VerdictBuffer, IsFullLongBeforeASendWouldFail) {
  VerdictBuffer verdicts(0);
  size_t count = 0;
  for (; !verdicts.full(); ++count) verdicts.Add(1, KernelVerdict::kAccept, 1);
  EXPECT_GT(count, 1000u);
  EXPECT_LT(verdicts.bytes().size(), 212'992u) << "net.core.wmem_default";
}

}  // namespace
}  // namespace sluice::agent
