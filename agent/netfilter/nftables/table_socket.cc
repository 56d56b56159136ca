#include "agent/netfilter/nftables/table_socket.h"

#include <libmnl/libmnl.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

// The kernel puts at most 32 KiB into one message of a dump.
constexpr size_t kReceiveBytes = 64 * 1024;
// The kernel sends a notification for each message of a transaction, at most 512, before the send
// call returns. It charges some 4 KiB for each.
constexpr int kReceiveBuffer = 4 * 1024 * 1024;
// A transaction is sent as a whole, with some 600 bytes a message.
constexpr int kSendBuffer = 1024 * 1024;
// The answers have arrived when the send call returns. This only guards against a kernel that does
// not answer at all.
constexpr timeval kAnswerTimeout = {.tv_sec = 2, .tv_usec = 0};

absl::string_view GeneralHint(int error) {
  switch (error) {
    case EPERM:
      return "needs CAP_NET_ADMIN over this network namespace";
    case EPROTONOSUPPORT:
      return "this kernel has no netfilter netlink (CONFIG_NETFILTER_NETLINK)";
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
      return "this kernel lacks nftables or its inet family (CONFIG_NF_TABLES_INET)";
    case ENOBUFS:
      return "the netlink receive buffer is too small for the answer; try again";
    case EINTR:
      return "other programs keep changing the rules; try again";
    case EAGAIN:
      return "the kernel did not answer; try again";
    default:
      return "";
  }
}

}  // namespace

absl::Status TableError(int error, absl::string_view object, absl::string_view hint) {
  if (hint.empty()) hint = GeneralHint(error);
  absl::Status status(absl::ErrnoToStatusCode(error),
                      absl::StrCat("nftables table inet sluice", object.empty() ? "" : ", ", object,
                                   ": ", strerror(error), hint.empty() ? "" : ": ", hint));
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(error)));
  return status;
}

absl::StatusOr<std::unique_ptr<TableSocket>> TableSocket::Open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
  if (socket == nullptr) return TableError(errno, "netlink socket");
  auto opened = std::unique_ptr<TableSocket>(new TableSocket(socket));
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
      setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout,
                 sizeof(kAnswerTimeout)) < 0) {
    return TableError(errno, "netlink socket");
  }
  // To exceed net.core.rmem_max and wmem_max takes CAP_NET_ADMIN. So does every request that needs
  // buffers of that size.
  setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer,
             sizeof(kReceiveBuffer));
  setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer,
             sizeof(kSendBuffer));
  return opened;
}

TableSocket::TableSocket(mnl_socket* socket) : socket_(socket), buffer_(kReceiveBytes) {}

TableSocket::~TableSocket() { mnl_socket_close(socket_); }

uint32_t TableSocket::port_id() const { return mnl_socket_get_portid(socket_); }

uint32_t TableSocket::ReserveSequence(uint32_t count) {
  // 0 means "the socket itself" in TableRefusal.
  if (next_sequence_ == 0 || next_sequence_ + count < next_sequence_) next_sequence_ = 1;
  const uint32_t first = next_sequence_;
  next_sequence_ += count;
  return first;
}

TableRefusal TableSocket::Exchange(absl::string_view request, uint32_t first, uint32_t last,
                                   absl::FunctionRef<void(const nlmsghdr*)> on_message) {
  if (mnl_socket_sendto(socket_, request.data(), request.size()) < 0) return {errno, 0};
  TableRefusal refusal;
  const auto refuse = [&](int error, uint32_t sequence) {
    if (refusal.error == 0) refusal = {error, sequence};
  };
  while (true) {
    const ssize_t received = mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
    if (received < 0) {
      if (errno == EINTR) continue;
      refuse(errno, 0);
      return refusal;
    }
    int rest = static_cast<int>(received);
    for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
         mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
      // A delayed answer to a request that was given up.
      if (message->nlmsg_seq < first || message->nlmsg_seq > last) continue;
      if (message->nlmsg_flags & NLM_F_DUMP_INTR) refuse(EINTR, message->nlmsg_seq);
      if (message->nlmsg_type == NLMSG_DONE) return refusal;
      if (message->nlmsg_type != NLMSG_ERROR) {
        on_message(message);
        continue;
      }
      if (mnl_nlmsg_get_payload_len(message) < sizeof(nlmsgerr)) {
        refuse(EBADMSG, message->nlmsg_seq);
        return refusal;
      }
      const int error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
      if (error != 0) refuse(error, message->nlmsg_seq);
      // A batch that is refused as a whole is answered on its first message only.
      if (message->nlmsg_seq == last || (error != 0 && message->nlmsg_seq == first)) {
        return refusal;
      }
    }
  }
}

}  // namespace sluice::agent
