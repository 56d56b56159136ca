#include "agent/netfilter/conntrack/conntrack_socket.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_compat.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/conntrack/conntrack_codec.h"

namespace sluice::agent {
namespace {

constexpr unsigned kGroups = NF_NETLINK_CONNTRACK_NEW | NF_NETLINK_CONNTRACK_UPDATE |
                             NF_NETLINK_CONNTRACK_DESTROY | NF_NETLINK_CONNTRACK_EXP_NEW |
                             NF_NETLINK_CONNTRACK_EXP_UPDATE | NF_NETLINK_CONNTRACK_EXP_DESTROY;
constexpr size_t kDatagrams = 64;
// An event has some 250 bytes. A helper's data or a security context adds a few hundred.
constexpr size_t kEventSize = 8192;
// The kernel's chunks of a dump have at most 32 KiB.
constexpr size_t kChunkSize = 65536;
constexpr size_t kEnlargements = 8;

absl::Status ToStatus(const char* what, int error) {
  const std::string text = absl::StrCat("conntrack: ", what, ": ", std::strerror(error));
  switch (error) {
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(
          absl::StrCat(text, "; needs CAP_NET_ADMIN in this network namespace"));
    case EPROTONOSUPPORT:
    case EAFNOSUPPORT:
    case EOPNOTSUPP:
    case EINVAL:
      return absl::UnavailableError(
          absl::StrCat(text,
                       "; load the module nf_conntrack_netlink, use a kernel with "
                       "CONFIG_NF_CT_NETLINK, or set conntrack.events to false"));
    default:
      return absl::InternalError(text);
  }
}

absl::StatusOr<MnlSocket> OpenSocket(unsigned groups) {
  MnlSocket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (socket == nullptr) return ToStatus("netfilter netlink socket", errno);
  if (mnl_socket_bind(socket.get(), groups, MNL_SOCKET_AUTOPID) < 0) {
    return ToStatus(groups != 0 ? "subscribing to events" : "binding", errno);
  }
  return socket;
}

absl::Status SendRequest(mnl_socket* socket, uint16_t type, uint16_t flags) {
  alignas(nlmsghdr) std::array<char, MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(nfgenmsg))> bytes{};
  nlmsghdr* header = mnl_nlmsg_put_header(bytes.data());
  header->nlmsg_type = static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
  header->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  auto* netfilter = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  netfilter->nfgen_family = AF_UNSPEC;
  netfilter->version = NFNETLINK_V0;
  if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0) {
    return ToStatus("request", errno);
  }
  return absl::OkStatus();
}

// The error in an NLMSG_ERROR message, as a positive errno; 0 is an acknowledgement.
int ErrorOf(const nlmsghdr* header) {
  if (header->nlmsg_len < mnl_nlmsg_size(sizeof(nlmsgerr))) return EBADMSG;
  return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header))->error;
}

// Joining the groups works even on kernels without conntrack netlink, but a request does not. So
// this sends one.
absl::Status Probe() {
  auto socket = OpenSocket(0);
  if (!socket.ok()) return socket.status();
  if (const auto sent = SendRequest(socket->get(), IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK);
      !sent.ok()) {
    return sent;
  }
  while (true) {
    alignas(nlmsghdr) std::array<char, 8192> answer;
    const ssize_t length = mnl_socket_recvfrom(socket->get(), answer.data(), answer.size());
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return ToStatus("asking for the table's size", errno);
    int left = static_cast<int>(length);
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
         mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
      if (header->nlmsg_type != NLMSG_ERROR) continue;
      const int error = ErrorOf(header);
      return error == 0 ? absl::OkStatus() : ToStatus("asking for the table's size", error);
    }
  }
}

void SetReceiveBuffer(int fd, size_t size) {
  const int wanted = static_cast<int>(std::min<size_t>(size, 1 << 30));
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) < 0) {
    // Without the capability in the initial user namespace we get as much as rmem_max allows.
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
  }
}

}  // namespace

void CloseMnlSocket::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

// Buffers for one recvmmsg.
struct ConntrackEvents::Ring {
  Ring() {
    for (size_t i = 0; i < kDatagrams; ++i) {
      vectors[i] = {slots[i].data(), kEventSize};
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
      headers[i].msg_hdr.msg_name = &senders[i];
    }
  }
  alignas(nlmsghdr) std::array<std::array<uint8_t, kEventSize>, kDatagrams> slots{};
  std::array<iovec, kDatagrams> vectors{};
  std::array<sockaddr_nl, kDatagrams> senders{};
  std::array<mmsghdr, kDatagrams> headers{};
};

ConntrackEvents::ConntrackEvents(MnlSocket socket, size_t receive_buffer)
    : socket_(std::move(socket)),
      receive_buffer_(receive_buffer),
      receive_buffer_limit_(receive_buffer * kEnlargements),
      ring_(std::make_unique<Ring>()) {}

ConntrackEvents::~ConntrackEvents() = default;

int ConntrackEvents::fd() const { return mnl_socket_get_fd(socket_.get()); }

absl::StatusOr<std::unique_ptr<ConntrackEvents>> ConntrackEvents::Open(size_t receive_buffer) {
  if (const absl::Status status = Probe(); !status.ok()) return status;
  // Set the buffer's size before subscribing.
  auto socket = OpenSocket(0);
  if (!socket.ok()) return socket.status();
  const int fd = mnl_socket_get_fd(socket->get());
  SetReceiveBuffer(fd, receive_buffer);
  for (unsigned group = 1; group <= NFNLGRP_CONNTRACK_EXP_DESTROY; ++group) {
    if ((kGroups & 1u << (group - 1)) == 0) continue;
    if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
      return ToStatus("subscribing to events", errno);
    }
  }
  return std::unique_ptr<ConntrackEvents>(new ConntrackEvents(*std::move(socket), receive_buffer));
}

ConntrackEvents::Received ConntrackEvents::Receive(std::vector<v1::Event>& events) {
  for (mmsghdr& header : ring_->headers) header.msg_hdr.msg_namelen = sizeof(sockaddr_nl);
  const int count = recvmmsg(fd(), ring_->headers.data(), kDatagrams, MSG_DONTWAIT, nullptr);
  if (count < 0) {
    if (errno == EAGAIN) return Received::kDrained;
    return errno == EINTR ? Received::kSome : Received::kOverrun;
  }
  bool cut = false;
  for (int i = 0; i < count; ++i) {
    // Only messages from the kernel are trusted.
    if (ring_->senders[i].nl_pid != 0) continue;
    if (ring_->headers[i].msg_hdr.msg_flags & MSG_TRUNC) cut = true;
    int left = static_cast<int>(ring_->headers[i].msg_len);
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(ring_->slots[i].data());
         mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
      auto event = DecodeConntrack({reinterpret_cast<const uint8_t*>(header), header->nlmsg_len});
      if (event) events.push_back(*std::move(event));
    }
  }
  return cut ? Received::kOverrun : Received::kSome;
}

void ConntrackEvents::Enlarge() {
  if (receive_buffer_ >= receive_buffer_limit_) return;
  receive_buffer_ = std::min(receive_buffer_ * 2, receive_buffer_limit_);
  SetReceiveBuffer(fd(), receive_buffer_);
}

struct ConntrackDump::Buffer {
  alignas(nlmsghdr) std::array<uint8_t, kChunkSize> bytes;
};

ConntrackDump::ConntrackDump(MnlSocket socket)
    : socket_(std::move(socket)), buffer_(std::make_unique<Buffer>()) {}

ConntrackDump::~ConntrackDump() = default;

int ConntrackDump::fd() const { return mnl_socket_get_fd(socket_.get()); }

absl::StatusOr<std::unique_ptr<ConntrackDump>> ConntrackDump::Start() {
  auto socket = OpenSocket(0);
  if (!socket.ok()) return socket.status();
  if (const auto sent = SendRequest(socket->get(), IPCTNL_MSG_CT_GET, NLM_F_DUMP); !sent.ok()) {
    return sent;
  }
  return std::unique_ptr<ConntrackDump>(new ConntrackDump(*std::move(socket)));
}

ConntrackDump::Received ConntrackDump::Break(const char* what, int error) {
  error_ = ToStatus(what, error);
  return Received::kBroken;
}

ConntrackDump::Received ConntrackDump::Receive(std::vector<v1::Event>& entries) {
  const ssize_t length =
      recv(fd(), buffer_->bytes.data(), buffer_->bytes.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (length < 0) {
    if (errno == EAGAIN || errno == EINTR) return Received::kDrained;
    return Break("dump", errno);
  }
  if (static_cast<size_t>(length) > buffer_->bytes.size()) return Break("dump", EMSGSIZE);
  int left = static_cast<int>(length);
  for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer_->bytes.data());
       mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
    if (header->nlmsg_flags & NLM_F_DUMP_INTR) return Break("dump, interrupted", EAGAIN);
    switch (header->nlmsg_type) {
      case NLMSG_DONE:
        return Received::kDone;
      case NLMSG_ERROR:
        return Break("dump", ErrorOf(header));
      default: {
        auto entry = DecodeConntrack({reinterpret_cast<const uint8_t*>(header), header->nlmsg_len});
        if (entry) entries.push_back(*std::move(entry));
      }
    }
  }
  return Received::kSome;
}

}  // namespace sluice::agent
