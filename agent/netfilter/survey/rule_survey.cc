#include "agent/netfilter/survey/rule_survey.h"

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/flowtable.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_mark.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/table/table_layout.h"

namespace sluice::agent {
namespace {

constexpr uint32_t kAllBits = 0xffffffff;

using Findings = std::vector<RuleFinding>;

void Add(RuleFinding finding, Findings& findings) {
  if (std::find(findings.begin(), findings.end(), finding) == findings.end()) {
    findings.push_back(std::move(finding));
  }
}

const char* FamilyName(uint32_t family) {
  switch (family) {
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_IPV6:
      return "ip6";
    case NFPROTO_ARP:
      return "arp";
    case NFPROTO_BRIDGE:
      return "bridge";
    case NFPROTO_NETDEV:
      return "netdev";
    default:
      return "?";
  }
}

const char* Text(const char* text) { return text == nullptr ? "?" : text; }

bool IsOurs(uint32_t family, const char* table) {
  return family == NFPROTO_INET && std::string_view(Text(table)) == kTableName;
}

// A copy of the first bytes of an expression's data, if there are enough of them.
template <typename T>
std::optional<T> Data(const nftnl_expr* expression, uint16_t attribute) {
  uint32_t length = 0;
  const void* data = nftnl_expr_get(expression, attribute, &length);
  if (data == nullptr || length < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

// The shift that xt_connmark applies to a mark before it copies it to the other mark.
uint32_t Shifted(const xt_connmark_tginfo2& info, uint32_t mark) {
  if (info.shift_bits >= 32) return kAllBits;
  return info.shift_dir == D_SHIFT_LEFT ? mark << info.shift_bits : mark >> info.shift_bits;
}

// Looks at the expressions of one rule, in order. It follows only one register, because rules set a
// mark right after they have computed the value.
class RuleReader final {
 public:
  RuleReader(std::string where, Findings& findings)
      : where_(std::move(where)), findings_(findings) {}

  void Read(const nftnl_expr* expression) {
    const std::string_view name = Text(nftnl_expr_get_str(expression, NFTNL_EXPR_NAME));
    if (name == "queue") {
      ReadQueue(expression);
    } else if (name == "flow_offload") {
      Add({RuleFinding::Kind::kFlowtable, where_}, findings_);
    } else if (name == "target") {
      ReadTarget(expression);
    } else if (name == "meta") {
      ReadMeta(expression);
    } else if (name == "ct") {
      ReadConnection(expression);
    } else if (name == "bitwise") {
      ReadBitwise(expression);
    } else if (name != "counter" && name != "objref" && name != "cmp") {
      Load(kAllBits, kAllBits);
    }
  }

 private:
  void AddQueues(uint32_t first, uint32_t count) {
    Add({RuleFinding::Kind::kQueue, where_, first, first + std::max(count, 1u) - 1}, findings_);
  }

  void AddMark(uint32_t bits, RuleFinding::Kind kind = RuleFinding::Kind::kMark) {
    if (bits != 0) Add({kind, where_, 0, 0, bits}, findings_);
  }

  void AddConnectionMark(uint32_t bits) { AddMark(bits, RuleFinding::Kind::kConnectionMark); }

  // The bits in which the register may differ from the packet mark, and from the connection mark.
  void Load(uint32_t from_mark, uint32_t from_connection_mark) {
    from_mark_ = from_mark;
    from_connection_mark_ = from_connection_mark;
  }

  void ReadQueue(const nftnl_expr* expression) {
    // Without a number, the queue comes from a register and may be any queue.
    if (!nftnl_expr_is_set(expression, NFTNL_EXPR_QUEUE_NUM)) return AddQueues(0, 65536);
    AddQueues(nftnl_expr_get_u16(expression, NFTNL_EXPR_QUEUE_NUM),
              nftnl_expr_get_u16(expression, NFTNL_EXPR_QUEUE_TOTAL));
  }

  // Reads targets of iptables-nft by their kernel structures.
  void ReadTarget(const nftnl_expr* expression) {
    const std::string_view name = Text(nftnl_expr_get_str(expression, NFTNL_EXPR_TG_NAME));
    const uint32_t revision = nftnl_expr_get_u32(expression, NFTNL_EXPR_TG_REV);
    if (name == "NFQUEUE" && revision == 0) {
      if (const auto info = Data<xt_NFQ_info>(expression, NFTNL_EXPR_TG_INFO)) {
        AddQueues(info->queuenum, 1);
      }
    } else if (name == "NFQUEUE") {
      if (const auto info = Data<xt_NFQ_info_v1>(expression, NFTNL_EXPR_TG_INFO)) {
        AddQueues(info->queuenum, info->queues_total);
      }
    } else if (name == "MARK" && revision >= 2) {
      if (const auto info = Data<xt_mark_tginfo2>(expression, NFTNL_EXPR_TG_INFO)) {
        AddMark(info->mask | info->mark);
      }
    } else if (name == "CONNMARK" && revision == 1) {
      if (const auto info = Data<xt_connmark_tginfo1>(expression, NFTNL_EXPR_TG_INFO)) {
        ReadConnmark({.ctmark = info->ctmark,
                      .ctmask = info->ctmask,
                      .nfmask = info->nfmask,
                      .shift_dir = 0,
                      .shift_bits = 0,
                      .mode = info->mode});
      }
    } else if (name == "CONNMARK" && revision >= 2) {
      const auto info = Data<xt_connmark_tginfo2>(expression, NFTNL_EXPR_TG_INFO);
      if (info) ReadConnmark(*info);
    }
  }

  // Each mode clears some bits of the mark that it writes, and flips others.
  void ReadConnmark(const xt_connmark_tginfo2& info) {
    switch (info.mode) {
      case XT_CONNMARK_SET:
        return AddConnectionMark(info.ctmask | info.ctmark);
      case XT_CONNMARK_SAVE:
        return AddConnectionMark(info.ctmask | Shifted(info, info.nfmask));
      case XT_CONNMARK_RESTORE:
        return AddMark(info.nfmask | Shifted(info, info.ctmask));
    }
  }

  void ReadMeta(const nftnl_expr* expression) {
    const bool mark = nftnl_expr_get_u32(expression, NFTNL_EXPR_META_KEY) == NFT_META_MARK;
    if (!nftnl_expr_is_set(expression, NFTNL_EXPR_META_SREG)) {
      Load(mark ? 0 : kAllBits, kAllBits);  // The mark as it is, or something else.
    } else if (mark) {
      AddMark(from_mark_);
    }
  }

  void ReadConnection(const nftnl_expr* expression) {
    const bool mark = nftnl_expr_get_u32(expression, NFTNL_EXPR_CT_KEY) == NFT_CT_MARK;
    if (!nftnl_expr_is_set(expression, NFTNL_EXPR_CT_SREG)) {
      Load(kAllBits, mark ? 0 : kAllBits);
    } else if (mark) {
      AddConnectionMark(from_connection_mark_);
    }
  }

  void ReadBitwise(const nftnl_expr* expression) {
    const auto mask = Data<uint32_t>(expression, NFTNL_EXPR_BITWISE_MASK);
    const auto flip = Data<uint32_t>(expression, NFTNL_EXPR_BITWISE_XOR);
    const uint32_t changed = mask && flip ? ~*mask | *flip : kAllBits;
    Load(from_mark_ | changed, from_connection_mark_ | changed);
  }

  const std::string where_;
  Findings& findings_;
  uint32_t from_mark_ = kAllBits;
  uint32_t from_connection_mark_ = kAllBits;
};

// A survey, either of our own table or of all others.
struct Survey {
  bool ours;
  Findings findings;
};

int TakeRule(const nlmsghdr* message, void* data) {
  auto& survey = *static_cast<Survey*>(data);
  const std::unique_ptr<nftnl_rule, void (*)(const nftnl_rule*)> rule(nftnl_rule_alloc(),
                                                                      &nftnl_rule_free);
  if (rule == nullptr || nftnl_rule_nlmsg_parse(message, rule.get()) < 0) return MNL_CB_OK;
  const uint32_t family = nftnl_rule_get_u32(rule.get(), NFTNL_RULE_FAMILY);
  const char* table = nftnl_rule_get_str(rule.get(), NFTNL_RULE_TABLE);
  if (IsOurs(family, table) != survey.ours) return MNL_CB_OK;
  RuleReader reader(absl::StrCat("table ", FamilyName(family), " ", Text(table), ", chain ",
                                 Text(nftnl_rule_get_str(rule.get(), NFTNL_RULE_CHAIN))),
                    survey.findings);
  const std::unique_ptr<nftnl_expr_iter, void (*)(nftnl_expr_iter*)> next(
      nftnl_expr_iter_create(rule.get()), &nftnl_expr_iter_destroy);
  while (const nftnl_expr* expression = nftnl_expr_iter_next(next.get())) reader.Read(expression);
  return MNL_CB_OK;
}

int TakeFlowtable(const nlmsghdr* message, void* data) {
  if (auto found = FlowtableIn(message)) {
    Add(*std::move(found), static_cast<Survey*>(data)->findings);
  }
  return MNL_CB_OK;
}

// 0 or errno.
int Dump(mnl_socket* socket, uint16_t type, uint32_t sequence, mnl_cb_t take, Survey& survey) {
  alignas(nlmsghdr) std::array<char, MNL_NLMSG_HDRLEN + 64> request;
  const nlmsghdr* message =
      nftnl_nlmsg_build_hdr(request.data(), type, AF_UNSPEC, NLM_F_DUMP, sequence);
  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) return errno;
  std::vector<char> buffer(64 * 1024);
  for (;;) {
    const auto received = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (received < 0) return errno;
    const int result = mnl_cb_run(buffer.data(), static_cast<size_t>(received), sequence,
                                  mnl_socket_get_portid(socket), take, &survey);
    if (result < 0) return errno;
    if (result == MNL_CB_STOP) return 0;
  }
}

// Returns 0 or errno. EINTR: the rules changed during the dump.
int SurveyOnce(Survey& survey) {
  const std::unique_ptr<mnl_socket, int (*)(mnl_socket*)> socket(mnl_socket_open(NETLINK_NETFILTER),
                                                                 &mnl_socket_close);
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return errno;
  const int error = Dump(socket.get(), NFT_MSG_GETRULE, 1, &TakeRule, survey);
  if (error != 0 || survey.ours) return error;
  return Dump(socket.get(), NFT_MSG_GETFLOWTABLE, 2, &TakeFlowtable, survey);
}

absl::StatusOr<Findings> SurveyThose(bool ours) {
  constexpr int kAttempts = 5;
  int error = EINTR;
  for (int attempt = 0; attempt < kAttempts && error == EINTR; ++attempt) {
    Survey survey{ours, {}};
    error = SurveyOnce(survey);
    if (error == 0) return std::move(survey.findings);
  }
  return absl::ErrnoToStatus(error, "reading the nftables rules");
}

}  // namespace

std::optional<RuleFinding> FlowtableIn(const nlmsghdr* message) {
  const std::unique_ptr<nftnl_flowtable, void (*)(const nftnl_flowtable*)> table(
      nftnl_flowtable_alloc(), &nftnl_flowtable_free);
  if (table == nullptr || nftnl_flowtable_nlmsg_parse(message, table.get()) < 0) {
    return std::nullopt;
  }
  RuleFinding found;
  found.kind = RuleFinding::Kind::kFlowtable;
  found.where = absl::StrCat(
      "table ", FamilyName(nftnl_flowtable_get_u32(table.get(), NFTNL_FLOWTABLE_FAMILY)), " ",
      Text(nftnl_flowtable_get_str(table.get(), NFTNL_FLOWTABLE_TABLE)), ", flowtable ",
      Text(nftnl_flowtable_get_str(table.get(), NFTNL_FLOWTABLE_NAME)));
  found.offload =
      nftnl_flowtable_get_u32(table.get(), NFTNL_FLOWTABLE_FLAGS) & NFT_FLOWTABLE_HW_OFFLOAD;
  return found;
}

absl::StatusOr<Findings> SurveyRules() { return SurveyThose(/*ours=*/false); }

absl::StatusOr<Findings> SurveyOurRules() { return SurveyThose(/*ours=*/true); }

}  // namespace sluice::agent
