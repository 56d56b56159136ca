#include "agent/netfilter/table/agent_claim.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/netfilter/netlink_attributes.h"
#include "agent/netfilter/nftables/table_comment.h"
#include "agent/netfilter/nftables/table_transaction.h"

namespace sluice::agent {
namespace {

constexpr char kClaimTable[] = "sluice-agent";
constexpr size_t kMostText = NFTNL_UDATA_COMMENT_MAXLEN - 1;

absl::Status ClaimError(int error) {
  absl::string_view hint;
  if (error == EPERM) hint = ": needs CAP_NET_ADMIN over this network namespace";
  return absl::Status(absl::ErrnoToStatusCode(error),
                      absl::StrCat("nftables table ip ", kClaimTable, ", by which agents know of ",
                                   "each other: ", strerror(error), hint));
}

// Adds a message about the claim. Without `who` it deletes the claim's table.
void Change(TableTransaction& transaction, uint16_t type, uint16_t flags, const TableComment* who) {
  transaction.Add("", type, flags, [&](nlmsghdr* message) {
    static_cast<nfgenmsg*>(mnl_nlmsg_get_payload(message))->nfgen_family = NFPROTO_IPV4;
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, kClaimTable);
    if (who == nullptr) return;
    mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_OWNER));
    mnl_attr_put(message, NFTA_TABLE_USERDATA, who->size(), who->data());
  });
}

struct Found {
  bool there = false;
  bool owned = false;
  std::string who;
};

absl::StatusOr<Found> Find(TableSocket& socket) {
  alignas(nlmsghdr) char request[512];
  const uint32_t sequence = socket.ReserveSequence(1);
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(request, NFT_MSG_GETTABLE, NFPROTO_IPV4, NLM_F_ACK, sequence);
  mnl_attr_put_strz(message, NFTA_TABLE_NAME, kClaimTable);
  Found found;
  const TableRefusal refusal = socket.Exchange(
      {request, message->nlmsg_len}, sequence, sequence, [&](const nlmsghdr* answer) {
        if (mnl_nlmsg_get_payload_len(answer) < sizeof(nfgenmsg)) return;
        const NetlinkAttributes table(answer);
        found.there = true;
        found.owned = table.Nest(NFTA_TABLE_OWNER) != nullptr;
        found.who = absl::Utf8SafeCHexEscape(CommentIn(table.Nest(NFTA_TABLE_USERDATA)));
      });
  if (refusal.error != 0 && refusal.error != ENOENT) return ClaimError(refusal.error);
  return found;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AgentClaim>> AgentClaim::Take(absl::string_view who) {
  absl::StatusOr<std::unique_ptr<TableSocket>> socket = TableSocket::Open();
  if (!socket.ok()) return socket.status();
  const std::string text(who.substr(0, kMostText));
  const TableComment comment(text.c_str());
  // Two attempts, as the holder may end between them.
  absl::StatusOr<Found> found = Found{};
  for (int attempt = 0; attempt < 2; ++attempt) {
    TableTransaction transaction((*socket)->ReserveSequence(TableTransaction::kMaxMessages));
    // A table that nobody owns was loaded from a file into which somebody had listed the rules.
    if (found->there) Change(transaction, NFT_MSG_DELTABLE, 0, nullptr);
    Change(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, &comment);
    const TableRefusal refusal = transaction.Commit(**socket, [](const nlmsghdr*) {});
    switch (refusal.error) {
      case 0:
      case EINVAL:
      case EOPNOTSUPP:  // Before 5.12.
        return std::unique_ptr<AgentClaim>(new AgentClaim(*std::move(socket)));
      case EPERM:
        if (transaction.IsWhole(refusal)) return ClaimError(EPERM);
        break;
      case EEXIST:
      case ENOENT:
        break;
      default:
        return ClaimError(refusal.error);
    }
    found = Find(**socket);
    if (!found.ok()) return found.status();
    if (found->owned) return absl::AlreadyExistsError(found->who);
  }
  return ClaimError(EBUSY);
}

absl::StatusOr<std::optional<std::string>> FindClaim() {
  const absl::StatusOr<std::unique_ptr<TableSocket>> socket = TableSocket::Open();
  if (!socket.ok()) return socket.status();
  const absl::StatusOr<Found> found = Find(**socket);
  if (!found.ok()) return found.status();
  if (!found->owned) return std::nullopt;
  return found->who;
}

}  // namespace sluice::agent
