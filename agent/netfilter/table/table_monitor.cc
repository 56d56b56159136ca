#include "agent/netfilter/table/table_monitor.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/netfilter/netlink_attributes.h"
#include "agent/netfilter/nftables/table_socket.h"
#include "agent/netfilter/table/table_layout.h"

namespace sluice::agent {
namespace {

constexpr size_t kReceiveBytes = 64 * 1024;  // Notifications come in messages of up to 32 KiB.
// Holds the notifications of several creations and deletions of the table. The kernel doubles the
// number.
constexpr int kSocketBytes = 256 * 1024;

// The table's name is the first attribute type of every message about a table or a part of one.
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_CHAIN_TABLE);
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_RULE_TABLE);
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_SET_TABLE);
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_SET_ELEM_LIST_TABLE);
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_OBJ_TABLE);
static_assert(static_cast<int>(NFTA_TABLE_NAME) == NFTA_FLOWTABLE_TABLE);

// Whether this is the last message about a change.
bool EndsChange(const nlmsghdr* message) {
  return message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN);
}

// The process that made the change, by the change's last message; "" if that names none. Total.
std::string ChangerIn(const nlmsghdr* message) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(nfgenmsg)) return "";
  const NetlinkAttributes generation(message);
  const absl::string_view name = generation.Text(NFTA_GEN_PROC_NAME);
  if (name.empty()) return "";
  return absl::StrCat(absl::CHexEscape(name), ", process ", generation.U32(NFTA_GEN_PROC_PID));
}

bool IsAboutOurTable(const nlmsghdr* message) {
  if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES) return false;
  if (EndsChange(message)) return false;  // About no table.
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
  // Without the privilege for this, the socket overflows sooner, which counts as a change.
  setsockopt(opened->fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBytes, sizeof(kSocketBytes));
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

std::optional<std::string> TableMonitor::ChangedByOthers(uint32_t our_port_id) {
  std::optional<std::string> changed;
  std::optional<uint32_t> changer;  // Whose process a later message names.
  while (true) {
    const ssize_t received = mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
    if (received < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return changed;
      if (!changed) changed = "";  // What was lost may have been about our table.
      if (errno == ENOBUFS || errno == ENOSPC) continue;  // Lost, or longer than our buffer.
      return changed;
    }
    int rest = static_cast<int>(received);
    for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
         mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
      // The kernel puts the port of whoever asked for the change there.
      if (message->nlmsg_pid == our_port_id) continue;
      if (IsAboutOurTable(message)) {
        changed = "";
        changer = message->nlmsg_pid;
      } else if (changer == message->nlmsg_pid && EndsChange(message)) {
        changed = ChangerIn(message);
        changer.reset();
      }
    }
  }
}

}  // namespace sluice::agent
