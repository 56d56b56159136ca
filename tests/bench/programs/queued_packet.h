#pragma once

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace sluice::bench {

inline constexpr uint64_t kQueuedAt = 1'700'000'000;  // seconds

// The whole netlink message that the kernel sends for a UDP packet of 92 bytes, IPv4 or IPv6, with
// a timestamp, that is forwarded between two Ethernet interfaces.
inline std::vector<uint8_t> QueuedMessage(int version) {
  std::vector<uint8_t> bytes(512);
  nlmsghdr* message = mnl_nlmsg_put_header(bytes.data());
  message->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
  auto* generic = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  generic->nfgen_family = version == 4 ? AF_INET : AF_INET6;
  nfqnl_msg_packet_hdr header{};
  header.packet_id = htonl(1);
  header.hw_protocol = htons(version == 4 ? 0x0800 : 0x86dd);
  header.hook = 2;  // forward
  mnl_attr_put(message, NFQA_PACKET_HDR, sizeof header, &header);
  mnl_attr_put_u32(message, NFQA_IFINDEX_INDEV, htonl(2));
  mnl_attr_put_u32(message, NFQA_IFINDEX_OUTDEV, htonl(3));
  nfqnl_msg_packet_hw hw{};
  hw.hw_addrlen = htons(6);
  std::memcpy(hw.hw_addr, "\x02\x00\x00\x00\x00\x09", 6);
  mnl_attr_put(message, NFQA_HWADDR, sizeof hw, &hw);
  nfqnl_msg_packet_timestamp time{};
  time.sec = htobe64(kQueuedAt);
  mnl_attr_put(message, NFQA_TIMESTAMP, sizeof time, &time);
  std::array<uint8_t, 92> packet{};
  if (version == 4) {
    packet = {0x45, 0, 0, 92, 0, 0, 0, 0, 64, 17, 0, 0, 10,
              0,    0, 1, 10, 0, 0, 2, 0, 1,  0,  2, 0, 72};
  } else {
    packet = {0x60, 0, 0, 0, 0, 52, 17, 64};
    packet[45] = 52;  // UDP's length
  }
  mnl_attr_put(message, NFQA_PAYLOAD, packet.size(), packet.data());
  bytes.resize(message->nlmsg_len);
  return bytes;
}

// Gives the packet of a QueuedMessage another id.
inline void SetPacketId(std::vector<uint8_t>& message, uint32_t packet_id) {
  const uint32_t id = htonl(packet_id);
  // After the netlink header, the nfgenmsg and the header of the first attribute.
  std::memcpy(message.data() + sizeof(nlmsghdr) + sizeof(nfgenmsg) + sizeof(nlattr), &id,
              sizeof id);
}

}  // namespace sluice::bench
