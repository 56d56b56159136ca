#include "agent/netfilter/queue/queue_socket.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink_queue.h>
//
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/queue/queue_listing.h"

namespace sluice::agent {
namespace {

constexpr size_t kDatagrams = 64;
// Room for what a message has besides the payload: headers and attributes take some 250 bytes, a
// security context a few hundred more.
constexpr size_t kOverhead = 2048;

absl::Status Refused(uint16_t queue, int error) {
  const std::string where = absl::StrCat("queue ", queue, ": ");
  switch (error) {
    case EPERM:
    case EBUSY: {
      // The kernel answers EPERM both for a queue that another socket owns and for a missing
      // capability.
      if (const auto owner = FindQueueOwner(queue)) {
        return absl::AlreadyExistsError(
            absl::StrCat(where, "owned by netlink port id ", *owner,
                         " (for most programs its process id); stop that program or choose "
                         "another number in queues.first"));
      }
      return absl::PermissionDeniedError(
          absl::StrCat(where, std::strerror(error),
                       ": needs CAP_NET_ADMIN, or another program owns the queue (see "
                       "/proc/net/netfilter/nfnetlink_queue)"));
    }
    case EINVAL:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
      return absl::UnavailableError(
          absl::StrCat(where, std::strerror(error),
                       ": this kernel has no nfnetlink_queue; load the module or use a kernel "
                       "with CONFIG_NETFILTER_NETLINK_QUEUE"));
    default:
      return absl::InternalError(absl::StrCat(where, std::strerror(error)));
  }
}

// Builds configuration messages one behind the other. They are sent together, so no packet can come
// between them.
class ConfigBuffer {
 public:
  explicit ConfigBuffer(uint16_t queue) : queue_(queue) {}

  nlmsghdr* Next(uint16_t flags) {
    Finish();
    current_ = nfq_nlmsg_put(bytes_.data() + used_, NFQNL_MSG_CONFIG, queue_);
    current_->nlmsg_flags |= flags;
    current_->nlmsg_seq = kConfigSequence;
    return current_;
  }
  std::span<const char> Finish() {
    if (current_ != nullptr) used_ += MNL_ALIGN(current_->nlmsg_len);
    current_ = nullptr;
    return {bytes_.data(), used_};
  }

 private:
  const uint16_t queue_;
  alignas(nlmsghdr) std::array<char, 1024> bytes_{};
  size_t used_ = 0;
  nlmsghdr* current_ = nullptr;
};

void PutCopyRange(nlmsghdr* message, CopyRange range) {
  nfq_nlmsg_cfg_put_params(message, range.meta ? NFQNL_COPY_META : NFQNL_COPY_PACKET,
                           range.meta ? 0 : static_cast<int>(range.bytes));
}

void PutFlags(nlmsghdr* message, QueueFlags flags) {
  // The sender's user and group cost nothing for packets that have none.
  uint32_t bits = NFQA_CFG_F_UID_GID;
  if (flags.gso) bits |= NFQA_CFG_F_GSO;
  if (flags.fail_open) bits |= NFQA_CFG_F_FAIL_OPEN;
  mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(bits));
  mnl_attr_put_u32(message, NFQA_CFG_MASK,
                   htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_UID_GID));
}

}  // namespace

// Buffers for one recvmmsg. The memory is mapped, so pages that no packet fills cost nothing.
struct QueueSocket::Ring {
  explicit Ring(size_t slot_size)
      : slot(slot_size),
        memory(static_cast<uint8_t*>(mmap(nullptr, slot * kDatagrams, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    if (memory == MAP_FAILED) {
      memory = nullptr;
      return;
    }
    for (size_t i = 0; i < kDatagrams; ++i) {
      vectors[i] = {memory + i * slot, slot};
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
  }
  ~Ring() {
    if (memory != nullptr) munmap(memory, slot * kDatagrams);
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  const size_t slot;
  uint8_t* memory;
  std::array<iovec, kDatagrams> vectors{};
  std::array<mmsghdr, kDatagrams> headers{};
};

void QueueSocket::Close::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

QueueSocket::QueueSocket(std::unique_ptr<mnl_socket, Close> socket, uint16_t queue)
    : socket_(std::move(socket)), queue_(queue) {}

QueueSocket::~QueueSocket() = default;

int QueueSocket::fd() const { return mnl_socket_get_fd(socket_.get()); }

absl::StatusOr<std::unique_ptr<QueueSocket>> QueueSocket::Open(const QueueSocketOptions& options,
                                                               CopyRange range) {
  std::unique_ptr<mnl_socket, Close> socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return Refused(options.queue, errno);
  }
  std::unique_ptr<QueueSocket> queue(new QueueSocket(std::move(socket), options.queue));
  if (const absl::Status status = queue->Bind(options, range); !status.ok()) return status;
  return queue;
}

absl::Status QueueSocket::Bind(const QueueSocketOptions& options, CopyRange range) {
  const int wanted = static_cast<int>(options.receive_buffer);
  if (setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) < 0) {
    // Without the capability in the initial user namespace we get as much as rmem_max allows.
    setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
  }
  int granted = 0;
  socklen_t size = sizeof granted;
  getsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &granted, &size);
  receive_buffer_ = static_cast<size_t>(granted);

  ring_ = std::make_unique<Ring>(range.bytes + kOverhead);
  if (ring_->memory == nullptr) return absl::ResourceExhaustedError("no memory to receive packets");

  ConfigBuffer config(queue_);
  nfq_nlmsg_cfg_put_cmd(config.Next(NLM_F_ACK), AF_UNSPEC, NFQNL_CFG_CMD_BIND);
  nlmsghdr* parameters = config.Next(NLM_F_ACK);
  PutFlags(parameters, options.flags);
  nfq_nlmsg_cfg_put_qmaxlen(parameters, options.max_length);
  // The copy range goes in the same call: until it is set, the kernel drops packets without
  // counting them. It asks for no acknowledgement, because packets might overtake that.
  PutCopyRange(config.Next(0), range);
  if (absl::Status status = Configure(config.Finish()); !status.ok()) return status;
  // No packet was copied before these two acknowledgements were queued.
  for (int acknowledgements = 0; acknowledgements < 2; ++acknowledgements) {
    alignas(nlmsghdr) std::array<char, 8192> answer;
    const ssize_t length = mnl_socket_recvfrom(socket_.get(), answer.data(), answer.size());
    if (length < 0) return Refused(queue_, errno);
    const auto* message = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (!mnl_nlmsg_ok(message, static_cast<int>(length)) || message->nlmsg_type != NLMSG_ERROR) {
      return absl::InternalError(absl::StrCat("queue ", queue_, ": unexpected netlink answer"));
    }
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
    if (error->error != 0) return Refused(queue_, -error->error);
  }
  return absl::OkStatus();
}

QueueSocket::Received QueueSocket::Receive(QueueMessages& messages) {
  const int count = recvmmsg(fd(), ring_->headers.data(), kDatagrams, MSG_DONTWAIT, nullptr);
  if (count < 0) {
    switch (errno) {
      case EAGAIN:
      case EINTR:
        return Received::kDrained;
      case ENOBUFS:
        return Received::kOverrun;
      default:
        return Received::kFailed;
    }
  }
  for (int i = 0; i < count; ++i) {
    const mmsghdr& header = ring_->headers[i];
    DecodeQueueDatagram({ring_->memory + i * ring_->slot, header.msg_len}, messages);
  }
  return count == kDatagrams ? Received::kSome : Received::kDrained;
}

absl::Status QueueSocket::Send(const VerdictBuffer& verdicts) {
  const auto bytes = verdicts.bytes();
  if (mnl_socket_sendto(socket_.get(), bytes.data(), bytes.size()) < 0) {
    return absl::InternalError(
        absl::StrCat("queue ", queue_, ": verdicts: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

absl::Status QueueSocket::SetCopyRange(CopyRange range) {
  if (range.bytes > kLargestCopyRange) range.bytes = kLargestCopyRange;
  // Make room first: packets of the new size may follow at once.
  if (const size_t slot = range.bytes + kOverhead; slot > ring_->slot) {
    auto larger = std::make_unique<Ring>(slot);
    if (larger->memory == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrCat("queue ", queue_, ": no memory for a copy range of ", range.bytes));
    }
    ring_ = std::move(larger);
  }
  ConfigBuffer config(queue_);
  PutCopyRange(config.Next(0), range);
  return Configure(config.Finish());
}

absl::Status QueueSocket::SetFlags(QueueFlags flags) {
  ConfigBuffer config(queue_);
  PutFlags(config.Next(0), flags);
  return Configure(config.Finish());
}

absl::Status QueueSocket::Configure(std::span<const char> messages) {
  if (mnl_socket_sendto(socket_.get(), messages.data(), messages.size()) < 0) {
    return Refused(queue_, errno);
  }
  return absl::OkStatus();
}

}  // namespace sluice::agent
