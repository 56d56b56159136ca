#include "agent/netfilter/survey/probe.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

struct Close {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, Close>;

// The status for errno `error` from a subsystem.
absl::Status Refusal(int error, const char* subsystem) {
  switch (error) {
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(
          absl::StrCat(subsystem, " refuses: CAP_NET_ADMIN is missing in this network namespace"));
    case EINVAL:  // nfnetlink does not know the subsystem and could not load it.
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
      return absl::UnavailableError(absl::StrCat("this kernel has no ", subsystem,
                                                 "; try `modprobe ", subsystem,
                                                 "`, else a kernel that is built with it"));
    default:
      return absl::ErrnoToStatus(error, absl::StrCat("asking ", subsystem));
  }
}

absl::StatusOr<Socket> Open() {
  Socket socket(mnl_socket_open(NETLINK_NETFILTER));
  if (socket == nullptr) return Refusal(errno, "nfnetlink");
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return absl::ErrnoToStatus(errno, "binding a netlink socket");
  }
  return socket;
}

nlmsghdr* Message(std::array<char, 256>& buffer, uint16_t subsystem, uint16_t type,
                  uint8_t family) {
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = static_cast<uint16_t>(subsystem << 8 | type);
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  message->nlmsg_seq = 1;
  auto* extra = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  extra->nfgen_family = family;
  extra->version = NFNETLINK_V0;
  extra->res_id = 0;
  return message;
}

// Sends `message` and hands every answer to `take` until the acknowledgement. Returns 0 or errno.
int Ask(mnl_socket* socket, const nlmsghdr* message, mnl_cb_t take, void* data) {
  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) return errno;
  alignas(nlmsghdr) std::array<char, 8192> buffer;
  for (;;) {
    const auto received = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (received < 0) return errno;
    const int result = mnl_cb_run(buffer.data(), static_cast<size_t>(received), 1,
                                  mnl_socket_get_portid(socket), take, data);
    if (result < 0) return errno;
    if (result == MNL_CB_STOP) return 0;
  }
}

int TakeAttribute(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == CTA_STATS_GLOBAL_ENTRIES &&
      mnl_attr_validate(attribute, MNL_TYPE_U32) == 0) {
    *static_cast<size_t*>(data) = ntohl(mnl_attr_get_u32(attribute));
  }
  return MNL_CB_OK;
}

int TakeCount(const nlmsghdr* message, void* data) {
  return mnl_attr_parse(message, sizeof(nfgenmsg), &TakeAttribute, data);
}

int TakeStatus(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == CTA_STATUS &&
      mnl_attr_validate(attribute, MNL_TYPE_U32) == 0 &&
      ntohl(mnl_attr_get_u32(attribute)) & IPS_OFFLOAD) {
    ++*static_cast<size_t*>(data);
  }
  return MNL_CB_OK;
}

int TakeOffloaded(const nlmsghdr* message, void* data) {
  return mnl_attr_parse(message, sizeof(nfgenmsg), &TakeStatus, data);
}

}  // namespace

absl::Status ProbeQueueing() {
  const auto socket = Open();
  if (!socket.ok()) return socket.status();
  alignas(nlmsghdr) std::array<char, 256> buffer;
  nlmsghdr* message = Message(buffer, NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG, AF_UNSPEC);
  const nfqnl_msg_config_cmd command = {
      .command = NFQNL_CFG_CMD_PF_BIND, ._pad = 0, .pf = htons(AF_INET)};
  mnl_attr_put(message, NFQA_CFG_CMD, sizeof(command), &command);
  const int error = Ask(socket->get(), message, nullptr, nullptr);
  return error == 0 ? absl::OkStatus() : Refusal(error, "nfnetlink_queue");
}

absl::StatusOr<size_t> ProbeConntrack() {
  const auto socket = Open();
  if (!socket.ok()) return socket.status();
  alignas(nlmsghdr) std::array<char, 256> buffer;
  const nlmsghdr* message =
      Message(buffer, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS, AF_UNSPEC);
  size_t count = 0;
  const int error = Ask(socket->get(), message, &TakeCount, &count);
  if (error != 0) return Refusal(error, "nf_conntrack_netlink");
  return count;
}

absl::StatusOr<size_t> ProbeOffloaded() {
  const auto socket = Open();
  if (!socket.ok()) return socket.status();
  alignas(nlmsghdr) std::array<char, 256> buffer;
  nlmsghdr* message = Message(buffer, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, AF_UNSPEC);
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  // Kernels before 6.0 do not know the mask and return all connections.
  mnl_attr_put_u32(message, CTA_STATUS, htonl(IPS_OFFLOAD));
  mnl_attr_put_u32(message, CTA_STATUS_MASK, htonl(IPS_OFFLOAD));
  size_t count = 0;
  const int error = Ask(socket->get(), message, &TakeOffloaded, &count);
  if (error != 0) return Refusal(error, "nf_conntrack_netlink");
  return count;
}

absl::Status ProbeConntrackEvents() {
  const auto socket = Open();
  if (!socket.ok()) return socket.status();
  for (int group : {NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE, NFNLGRP_CONNTRACK_DESTROY}) {
    if (mnl_socket_setsockopt(socket->get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
      return Refusal(errno, "nf_conntrack_netlink");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> ProbeReceiveBuffer(size_t bytes) {
  const auto socket = Open();
  if (!socket.ok()) return socket.status();
  const int fd = mnl_socket_get_fd(socket->get());
  const int wanted = static_cast<int>(bytes);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) != 0) {
    return absl::ErrnoToStatus(errno, "SO_RCVBUFFORCE");
  }
  int granted = 0;
  socklen_t size = sizeof(granted);
  if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &size) != 0) {
    return absl::ErrnoToStatus(errno, "SO_RCVBUF");
  }
  // The kernel doubles the requested size, for its own bookkeeping, and reports the doubled value.
  return static_cast<size_t>(granted) / 2;
}

}  // namespace sluice::agent
