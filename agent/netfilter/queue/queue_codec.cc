#include "agent/netfilter/queue/queue_codec.h"

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
// Before the library's header: both have the same guard, and this one knows more attributes.
#include <linux/netfilter/nfnetlink_queue.h>
//
#include <libnetfilter_queue/libnetfilter_queue.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::agent {
namespace {

constexpr int kHighestErrno = 4095;  // MAX_ERRNO of linux/err.h

// Payloads by attribute type; an absent attribute has a payload without data.
using Payload = std::span<const uint8_t>;
using Attributes = std::array<Payload, NFQA_MAX + 1>;

// Checks the bounds itself: nfq_nlmsg_parse of libnetfilter_queue 1.0.5 refuses the whole message
// if a security context is not four bytes long, and libmnl takes lengths above 2 GiB as negative
// and reads on.
void ReadAttributes(Payload bytes, std::span<Payload> attributes) {
  nlattr header;
  while (bytes.size() >= sizeof header) {
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > bytes.size()) return;
    const uint16_t type = header.nla_type & NLA_TYPE_MASK;
    if (type < attributes.size()) {
      attributes[type] = bytes.first(header.nla_len).subspan(sizeof header);
    }
    bytes = bytes.subspan(std::min<size_t>(MNL_ALIGN(header.nla_len), bytes.size()));
  }
}

std::optional<uint32_t> Number(Payload payload) {
  uint32_t value;
  if (payload.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, payload.data(), sizeof value);
  return ntohl(value);
}

std::optional<uint16_t> ShortNumber(Payload payload) {
  uint16_t value;
  if (payload.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, payload.data(), sizeof value);
  return ntohs(value);
}

// Copies a fixed structure out of an attribute, which is aligned to 4 bytes only.
template <typename T>
std::optional<T> Structure(Payload bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

void ReadVlan(Payload nested, QueuedPacket& packet) {
  std::array<Payload, NFQA_VLAN_MAX + 1> attributes{};
  ReadAttributes(nested, attributes);
  packet.vlan_tci = ShortNumber(attributes[NFQA_VLAN_TCI]);
  packet.vlan_protocol = ShortNumber(attributes[NFQA_VLAN_PROTO]);
}

void DecodePacket(std::span<const uint8_t> body, QueueMessages& messages) {
  if (body.size() < sizeof(nfgenmsg)) {
    messages.OnUnreadable();
    return;
  }
  Attributes attributes{};
  ReadAttributes(body.subspan(sizeof(nfgenmsg)), attributes);
  const auto header = Structure<nfqnl_msg_packet_hdr>(attributes[NFQA_PACKET_HDR]);
  if (!header) {
    messages.OnUnreadable();
    return;
  }
  nfgenmsg generic;
  std::memcpy(&generic, body.data(), sizeof generic);

  QueuedPacket packet;
  packet.packet_id = ntohl(header->packet_id);
  packet.queue = ntohs(generic.res_id);
  packet.hw_protocol = ntohs(header->hw_protocol);
  packet.hook = header->hook;
  packet.mark = Number(attributes[NFQA_MARK]).value_or(0);
  packet.input_ifindex = Number(attributes[NFQA_IFINDEX_INDEV]).value_or(0);
  packet.output_ifindex = Number(attributes[NFQA_IFINDEX_OUTDEV]).value_or(0);
  packet.physical_input_ifindex = Number(attributes[NFQA_IFINDEX_PHYSINDEV]).value_or(0);
  packet.physical_output_ifindex = Number(attributes[NFQA_IFINDEX_PHYSOUTDEV]).value_or(0);
  packet.skb_info = Number(attributes[NFQA_SKB_INFO]).value_or(0);
  packet.uid = Number(attributes[NFQA_UID]);
  packet.gid = Number(attributes[NFQA_GID]);
  packet.priority = Number(attributes[NFQA_PRIORITY]);
  packet.l2_header = attributes[NFQA_L2HDR];
  if (const auto hw = Structure<nfqnl_msg_packet_hw>(attributes[NFQA_HWADDR])) {
    const size_t length = std::min<size_t>(ntohs(hw->hw_addrlen), sizeof hw->hw_addr);
    packet.hw_address =
        attributes[NFQA_HWADDR].subspan(offsetof(nfqnl_msg_packet_hw, hw_addr), length);
  }
  if (const auto time = Structure<nfqnl_msg_packet_timestamp>(attributes[NFQA_TIMESTAMP])) {
    const uint64_t seconds = be64toh(time->sec);
    const uint64_t microseconds = be64toh(time->usec);
    // Anything else is not a time this century: leave it absent.
    if (seconds < 0x1'0000'0000 && microseconds < 1'000'000) {
      packet.timestamp_ns = static_cast<int64_t>(seconds * 1'000'000'000 + microseconds * 1000);
    }
  }
  const auto context = attributes[NFQA_SECCTX];
  packet.security_context = {reinterpret_cast<const char*>(context.data()), context.size()};
  ReadVlan(attributes[NFQA_VLAN], packet);
  if (attributes[NFQA_PAYLOAD].data() != nullptr) {
    packet.has_payload = true;
    packet.payload = attributes[NFQA_PAYLOAD];
    // The attribute is present only if the copy range cut the packet.
    packet.original_length = std::max<uint32_t>(Number(attributes[NFQA_CAP_LEN]).value_or(0),
                                                static_cast<uint32_t>(packet.payload.size()));
  }
  messages.OnPacket(packet);
}

void DecodeError(std::span<const uint8_t> body, QueueMessages& messages) {
  if (body.size() < sizeof(nlmsgerr)) {
    messages.OnUnreadable();
    return;
  }
  nlmsgerr error;
  std::memcpy(&error, body.data(), sizeof error);
  if (error.error > 0 || error.error < -kHighestErrno) {
    messages.OnUnreadable();
  } else if (error.error < 0) {  // 0 acknowledges
    messages.OnKernelError(error.msg.nlmsg_seq, -error.error);
  }
}

}  // namespace

void DecodeQueueDatagram(std::span<const uint8_t> datagram, QueueMessages& messages) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, datagram.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) break;
    const auto body = datagram.first(header.nlmsg_len).subspan(sizeof header);
    if (header.nlmsg_type == NLMSG_ERROR) {
      DecodeError(body, messages);
    } else if (header.nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET)) {
      DecodePacket(body, messages);
    } else if (header.nlmsg_type >= NLMSG_MIN_TYPE) {
      messages.OnUnreadable();
    }
    datagram =
        datagram.subspan(std::min<size_t>(MNL_ALIGN(size_t{header.nlmsg_len}), datagram.size()));
  }
  if (!datagram.empty()) messages.OnUnreadable();
}

void VerdictBuffer::Add(uint32_t packet_id, KernelVerdict verdict, std::optional<uint32_t> mark,
                        std::span<const uint8_t> payload) {
  // Header 20 bytes, verdict 12, mark 8, attribute header of the payload 4.
  constexpr size_t kMessageSize = 44;
  const size_t start = bytes_.size();
  bytes_.resize(start + kMessageSize + MNL_ALIGN(payload.size()));
  nlmsghdr* message =
      nfq_nlmsg_put(reinterpret_cast<char*>(bytes_.data() + start), NFQNL_MSG_VERDICT, queue_);
  message->nlmsg_seq = packet_id;
  nfq_nlmsg_verdict_put(message, static_cast<int>(packet_id), static_cast<int>(verdict));
  if (mark) nfq_nlmsg_verdict_put_mark(message, *mark);
  if (!payload.empty()) {
    nfq_nlmsg_verdict_put_pkt(message, payload.data(), static_cast<uint32_t>(payload.size()));
  }
  bytes_.resize(start + message->nlmsg_len);
}

}  // namespace sluice::agent
