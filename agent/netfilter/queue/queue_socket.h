#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/netfilter/queue/packet_queue.h"
#include "agent/netfilter/queue/queue_codec.h"

struct mnl_socket;

namespace sluice::agent {

struct QueueSocketOptions {
  uint16_t queue = 0;
  // Packets that the kernel holds for us; it drops further ones (or accepts them, with fail_open).
  // It counts a packet until its verdict, so this also limits what can be pending: enough for
  // 160,000 packets a second at the preset deadline of 50 ms.
  uint32_t max_length = 8192;
  // Bytes of the receive buffer; may exceed net.core.rmem_max with CAP_NET_ADMIN. A small packet
  // takes some 800 bytes: the usual 208 KiB hold 256 packets, and further ones are dropped. This
  // buffer held 60,000 small packets, or 1,000 packets of 64 KiB that are copied whole.
  size_t receive_buffer = 64 * 1024 * 1024;
  QueueFlags flags = {};
};

// An NFQUEUE and the netlink socket that owns it. When it closes, the kernel drops pending packets.
// One thread.
class QueueSocket final : public PacketQueue {
 public:
  // Binds the queue. Errors: ALREADY_EXISTS, another socket owns it (its port id is named);
  // PERMISSION_DENIED, no CAP_NET_ADMIN in this network namespace; UNAVAILABLE, the kernel has no
  // nfnetlink_queue.
  static absl::StatusOr<std::unique_ptr<QueueSocket>> Open(const QueueSocketOptions& options,
                                                           CopyRange range);
  ~QueueSocket() override;
  QueueSocket(const QueueSocket&) = delete;
  QueueSocket& operator=(const QueueSocket&) = delete;

  // Readable when there is something to Receive.
  int fd() const;

  enum class Received {
    kSome,     // there may be more
    kDrained,  // nothing is left
    kOverrun,  // the buffer was full and the kernel dropped packets (ENOBUFS); go on receiving
    kFailed,   // the socket is broken, errno says how
  };
  // Decodes what has arrived, up to 64 datagrams, without blocking.
  Received Receive(QueueMessages& messages);

  absl::Status Send(const VerdictBuffer& verdicts) override;
  absl::Status SetCopyRange(CopyRange range) override;
  absl::Status SetFlags(QueueFlags flags) override;

  // Bytes of receive buffer that the kernel granted.
  size_t receive_buffer() const { return receive_buffer_; }

 private:
  struct Close {
    void operator()(mnl_socket* socket) const;
  };
  struct Ring;

  QueueSocket(std::unique_ptr<mnl_socket, Close> socket, uint16_t queue);
  absl::Status Bind(const QueueSocketOptions& options, CopyRange range);
  // If the kernel refuses, that comes back later as a kernel error of kConfigSequence.
  absl::Status Configure(std::span<const char> messages);

  std::unique_ptr<mnl_socket, Close> socket_;
  const uint16_t queue_;
  size_t receive_buffer_ = 0;
  std::unique_ptr<Ring> ring_;
};

}  // namespace sluice::agent
