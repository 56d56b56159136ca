#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace sluice::agent {

// A packet as the kernel hands it over (NFQNL_MSG_PACKET, linux/netfilter/nfnetlink_queue.h).
// Numbers are in host order; the spans point into the datagram it was decoded from.
struct QueuedPacket {
  uint32_t packet_id = 0;  // starts at 1 with each bind, counts up by one
  uint16_t queue = 0;
  uint16_t hw_protocol = 0;  // EtherType
  uint8_t hook = 0;          // NF_INET_*
  uint32_t mark = 0;
  uint32_t input_ifindex = 0;
  uint32_t output_ifindex = 0;
  uint32_t physical_input_ifindex = 0;
  uint32_t physical_output_ifindex = 0;
  uint32_t skb_info = 0;
  bool has_payload = false;      // false in copy mode META
  uint32_t original_length = 0;  // 0 where there is no payload
  std::span<const uint8_t> payload;
  std::span<const uint8_t> hw_address;
  std::span<const uint8_t> l2_header;
  std::string_view security_context;
  std::optional<int64_t> timestamp_ns;  // realtime clock
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint32_t> priority;
  std::optional<uint16_t> vlan_tci;
  std::optional<uint16_t> vlan_protocol;
};

// Bits of skb_info (linux/netfilter/nfnetlink_queue.h): the checksum is not filled in yet; the
// packet consists of several merged segments.
inline constexpr uint32_t kSkbChecksumNotReady = 1;
inline constexpr uint32_t kSkbGso = 2;

// Receives what DecodeQueueDatagram decodes. Called on the thread that decodes.
class QueueMessages {
 public:
  virtual ~QueueMessages() = default;
  virtual void OnPacket(const QueuedPacket& packet) = 0;
  // The kernel refused the message sent with that sequence number. Verdicts carry their packet
  // id there; kConfigSequence marks configuration.
  virtual void OnKernelError(uint32_t sequence, int error) = 0;
  // A message that names no packet to answer.
  virtual void OnUnreadable() = 0;
};

inline constexpr uint32_t kConfigSequence = 0;

// Decodes one netlink datagram. Total: any bytes are accepted, and none are read outside
// `datagram`.
void DecodeQueueDatagram(std::span<const uint8_t> datagram, QueueMessages& messages);

// What the kernel is told to do with a packet (linux/netfilter.h).
enum class KernelVerdict : uint32_t {
  kDrop = 0,
  kAccept = 1,  // goes on at the next chain
  kRepeat = 4,  // goes through this chain again
};

// Hands the packet to another queue. If nobody has that queue open, the packet is dropped, or with
// `bypass` accepted.
constexpr KernelVerdict ToQueue(uint16_t queue, bool bypass) {
  constexpr uint32_t kQueueVerdict = 3;
  constexpr uint32_t kBypass = 0x8000;
  return static_cast<KernelVerdict>(uint32_t{queue} << 16 | (bypass ? kBypass : 0) | kQueueVerdict);
}

// Verdict messages in one buffer, to be sent with one system call. They ask for no acknowledgement.
// If the kernel refuses one, an error with the packet's id comes back all the same.
class VerdictBuffer final {
 public:
  // What fits in a netlink attribute.
  static constexpr size_t kLargestPayload = 65531;

  explicit VerdictBuffer(uint16_t queue) : queue_(queue) { bytes_.reserve(kLimit + 64); }

  // `payload`, at most kLargestPayload bytes, replaces the packet from its network header on. An
  // empty payload leaves the packet unchanged.
  void Add(uint32_t packet_id, KernelVerdict verdict, std::optional<uint32_t> mark,
           std::span<const uint8_t> payload = {});
  std::span<const uint8_t> bytes() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }
  bool full() const { return bytes_.size() >= kLimit; }
  void Clear() { bytes_.clear(); }

 private:
  // Far below a netlink socket's default send buffer of 208 KiB, beyond which a send fails.
  static constexpr size_t kLimit = 60 * 1024;

  const uint16_t queue_;
  std::vector<uint8_t> bytes_;
};

}  // namespace sluice::agent
