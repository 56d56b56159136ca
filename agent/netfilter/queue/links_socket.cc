#include "agent/netfilter/queue/links_socket.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

constexpr size_t kReceiveBytes = 64 * 1024;  // Dumps come in messages of up to 32 KiB.
// If interfaces keep changing during the dump, the result of this attempt is taken as it is: events
// bring what it missed.
constexpr int kDumpAttempts = 8;

absl::Status SocketError(absl::string_view doing) {
  const int error = errno;
  return absl::Status(
      absl::ErrnoToStatusCode(error),
      absl::StrCat("network interfaces (rtnetlink), ", doing, ": ", strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<LinkSocket>> LinkSocket::Open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket == nullptr) return SocketError("socket");
  const int stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_fd < 0) {
    const absl::Status status = SocketError("eventfd");
    mnl_socket_close(socket);
    return status;
  }
  auto opened = std::unique_ptr<LinkSocket>(new LinkSocket(socket, stop_fd));
  int group = RTNLGRP_LINK;
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
      mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
    return SocketError("subscription");
  }
  return opened;
}

LinkSocket::LinkSocket(mnl_socket* socket, int stop_fd)
    : socket_(socket), stop_fd_(stop_fd), buffer_(kReceiveBytes) {}

LinkSocket::~LinkSocket() {
  mnl_socket_close(socket_);
  close(stop_fd_);
}

void LinkSocket::Stop() { eventfd_write(stop_fd_, 1); }

bool LinkSocket::StoppedWithin(std::chrono::milliseconds time) {
  pollfd stop = {.fd = stop_fd_, .events = POLLIN, .revents = 0};
  return poll(&stop, 1, static_cast<int>(time.count())) > 0;
}

absl::Status LinkSocket::WaitReadable() {
  pollfd fds[] = {{.fd = mnl_socket_get_fd(socket_), .events = POLLIN, .revents = 0},
                  {.fd = stop_fd_, .events = POLLIN, .revents = 0}};
  while (poll(fds, 2, -1) < 0) {
    if (errno != EINTR) return SocketError("poll");
  }
  return fds[1].revents != 0 ? absl::CancelledError("stopped") : absl::OkStatus();
}

absl::Status LinkSocket::Dump(LinkMap& links) {
  for (int attempt = 1;; ++attempt) {
    LinkMap fresh;
    bool interrupted = false;
    absl::Status status = DumpOnce(fresh, interrupted);
    if (absl::IsDataLoss(status)) continue;  // Ends when the events do, or by Stop.
    if (!status.ok()) return status;
    if (interrupted && attempt < kDumpAttempts) continue;
    links = std::move(fresh);
    return absl::OkStatus();
  }
}

absl::Status LinkSocket::DumpOnce(LinkMap& links, bool& interrupted) {
  alignas(nlmsghdr) char request[128];
  nlmsghdr* header = mnl_nlmsg_put_header(request);
  header->nlmsg_type = RTM_GETLINK;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header->nlmsg_seq = ++sequence_ == 0 ? ++sequence_ : sequence_;  // Events carry 0.
  auto* body = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(header, sizeof(ifinfomsg)));
  body->ifi_family = AF_UNSPEC;
  if (mnl_socket_sendto(socket_, request, header->nlmsg_len) < 0) return SocketError("request");
  while (true) {
    if (absl::Status status = WaitReadable(); !status.ok()) return status;
    const ssize_t received = mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
    if (received < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      if (errno == ENOBUFS) return absl::DataLossError("events came too fast");
      return SocketError("dump");
    }
    int rest = static_cast<int>(received);
    for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
         mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
      // Events between the parts of the dump are newer than the parts before them. So apply all
      // messages in the order in which they come.
      ApplyLinkMessage(message, links);
      if (message->nlmsg_seq != sequence_) continue;
      if (message->nlmsg_flags & NLM_F_DUMP_INTR) interrupted = true;
      if (message->nlmsg_type == NLMSG_DONE) return absl::OkStatus();
      if (message->nlmsg_type != NLMSG_ERROR) continue;
      const bool whole = mnl_nlmsg_get_payload_len(message) >= sizeof(nlmsgerr);
      errno =
          whole ? -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error : EBADMSG;
      // EBUSY: the dump before this one, which we gave up after lost events, is still running in
      // the kernel. Reading on lets it end.
      if (errno == EBUSY) return absl::DataLossError("an earlier dump is running");
      return SocketError("dump");
    }
  }
}

absl::Status LinkSocket::Follow(LinkMap& links) {
  if (absl::Status status = WaitReadable(); !status.ok()) return status;
  while (true) {
    const ssize_t received = mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
    if (received < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return absl::OkStatus();
      if (errno == ENOBUFS || errno == ENOSPC) return absl::DataLossError("events were lost");
      return SocketError("events");
    }
    int rest = static_cast<int>(received);
    for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
         mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
      ApplyLinkMessage(message, links);
    }
  }
}

}  // namespace sluice::agent
