#include "agent/netfilter/table_monitor.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/string_view.h"
#include "agent/netfilter/table_layout.h"
#include "agent/netfilter/table_socket.h"

namespace sluice::agent {
namespace {

constexpr size_t kReceiveBytes = 64 * 1024;  // Notifications come in messages of up to 32 KiB.

// The table's name is the first attribute type of every message about a table or a part of one.
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_CHAIN_TABLE);
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_RULE_TABLE);
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_SET_TABLE);
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_SET_ELEM_LIST_TABLE);
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_OBJ_TABLE);
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_FLOWTABLE_TABLE);

bool IsAboutOurTable(const nlmsghdr* message) {
  if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES) return false;
  if (NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN) return false;  // About no table.
  if (mnl_nlmsg_get_payload_len(message) < sizeof(nfgenmsg)) return false;
  const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
  if (header->nfgen_family != NFPROTO_INET) return false;
  bool ours = false;
  mnl_attr_parse_payload(
      header + 1, mnl_nlmsg_get_payload_len(message) - sizeof(nfgenmsg),
      [](const nlattr* attribute, void* data) {
        if (mnl_attr_get_type(attribute) != NFTA_TABLE_NAME) return MNL_CB_OK;
        *static_cast<bool*>(data) = mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0 &&
                                    absl::string_view(mnl_attr_get_str(attribute)) == kTableName;
        return MNL_CB_STOP;
      },
      &ours);
  return ours;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TableMonitor>> TableMonitor::Open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket == nullptr) return TableError(errno, "notifications");
  auto opened = std::unique_ptr<TableMonitor>(new TableMonitor(socket));
  int group = NFNLGRP_NFTABLES;
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
      mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
    return TableError(errno, "notifications");
  }
  return opened;
}

TableMonitor::TableMonitor(mnl_socket* socket) : socket_(socket), buffer_(kReceiveBytes) {}

TableMonitor::~TableMonitor() { mnl_socket_close(socket_); }

int TableMonitor::fd() const { return mnl_socket_get_fd(socket_); }

bool TableMonitor::ChangedByOthers(uint32_t our_port_id) {
  bool changed = false;
  while (true) {
    const ssize_t received = mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
    if (received < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return changed;
      changed = true;  // What was lost may have been about our table.
      if (errno == ENOBUFS || errno == ENOSPC) continue;  // Lost, or longer than our buffer.
      return changed;
    }
    int rest = static_cast<int>(received);
    for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
         mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
      // The kernel puts there who asked for the change.
      if (message->nlmsg_pid != our_port_id && IsAboutOurTable(message)) changed = true;
    }
  }
}

}  // namespace sluice::agent
