#include "agent/netfilter/table/notify_rules.h"

#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/nftables/table_counter.h"
#include "agent/netfilter/nftables/table_rule.h"
#include "agent/netfilter/remembered/remembered_rules.h"
#include "agent/netfilter/table/multicast.h"

namespace sluice::agent {
namespace {

using Side = TableRule::Side;
using Condition = absl::FunctionRef<void(TableRule&)>;

// Source addresses that belong to no single host.
constexpr IpNetwork kNoHosts[] = {
    {.address = {0}, .prefix_length = 8},
    {.address = {127}, .prefix_length = 8},
    {.address = {224}, .prefix_length = 3},
    {.ipv6 = true, .address = {}, .prefix_length = 128},
    {.ipv6 = true, .address = {0xff}, .prefix_length = 8},
};

// ICMP messages that are errors, or redirects.
struct IcmpTypes {
  uint8_t protocol, first, last;
};
constexpr IcmpTypes kIcmpErrors[] = {
    {IPPROTO_ICMP, 3, 5}, {IPPROTO_ICMP, 11, 12}, {IPPROTO_ICMPV6, 0, 127}};

void AddNoneDue(uint32_t mark_mask, bool fib, TableTransaction& transaction) {
  const auto none_due = [&](const char* what, Condition is) {
    const std::string comment = absl::StrCat("not told: none due: ", what);
    TableRule rule(kNotifyChain, comment.c_str());
    is(rule);
    rule.Count(TableCounter::kNoneDue).Drop().AddTo(transaction);
  };
  ForEachMulticast(fib, [&](Condition is) { none_due("sent to many", is); });
  none_due("sent to many in the link layer",
           [](TableRule& rule) { rule.IfNotPacketType(PACKET_HOST); });
  for (const IpNetwork& network : kNoHosts) {
    none_due("from no single host",
             [&](TableRule& rule) { rule.IfAddress(Side::kSource, network); });
  }
  for (const Side side : {Side::kDestination, Side::kSource}) {
    if (!fib) break;
    none_due("directed broadcast", [side](TableRule& rule) {
      rule.IfFamily(NFPROTO_IPV4).IfAddressType(side, RTN_BROADCAST);
    });
  }
  for (const IcmpTypes& types : kIcmpErrors) {
    none_due("an ICMP error", [&](TableRule& rule) {
      rule.IfProtocol(types.protocol)
          .IfByte(NFT_PAYLOAD_TRANSPORT_HEADER, 0, types.first, types.last);
    });
  }
  none_due("a TCP reset", [&](TableRule& rule) {
    rule.LoadMark(mark_mask)
        .IfEqual(DropMark(mark_mask, Notice::kTcpReset))
        .IfProtocol(IPPROTO_TCP)
        .IfReset();
  });
}

}  // namespace

void AddNotifyRules(uint32_t mark_mask, bool fib, TableTransaction& transaction) {
  const auto told = [mark_mask](Notice notice, const char* comment) {
    TableRule rule(kNotifyChain, comment);
    rule.LoadMark(mark_mask).IfEqual(DropMark(mark_mask, notice));
    return rule;
  };
  // This rule is the first, as it may have to be fast.
  told(Notice::kNone, "dropped without a notice").Drop().AddTo(transaction);
  AddNoneDue(mark_mask, fib, transaction);
  if (fib) {
    TableRule(kNotifyChain, "not told: no way back")
        .IfNoWayBack()
        .Count(TableCounter::kNoWayBack)
        .Drop()
        .AddTo(transaction);
  }
  told(Notice::kHostUnreachable, "told: host unreachable")
      .Count(TableCounter::kTold)
      .Reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_HOST_UNREACH)
      .AddTo(transaction);
  told(Notice::kAdminProhibited, "told: administratively prohibited")
      .Count(TableCounter::kTold)
      .Reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED)
      .AddTo(transaction);
  told(Notice::kTcpReset, "told: TCP reset")
      .IfProtocol(IPPROTO_TCP)
      .Count(TableCounter::kTold)
      .Reject(NFT_REJECT_TCP_RST, 0)
      .AddTo(transaction);
  for (const Notice notice :
       {Notice::kPortUnreachable, Notice::kTcpReset}) {  // A reset was asked for, but not for TCP.
    told(notice, "told: port unreachable")
        .Count(TableCounter::kTold)
        .Reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH)
        .AddTo(transaction);
  }
  TableRule(kNotifyChain, "dropped by a slot that is gone").Drop().AddTo(transaction);
}

}  // namespace sluice::agent
