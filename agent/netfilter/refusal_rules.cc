#include "agent/netfilter/refusal_rules.h"

#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/multicast.h"
#include "agent/netfilter/remembered_rules.h"
#include "agent/netfilter/table_counter.h"
#include "agent/netfilter/table_rule.h"

namespace sluice::agent {
namespace {

using Side = TableRule::Side;
using Condition = absl::FunctionRef<void(TableRule&)>;

// Sources that are no single host's.
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
    TableRule rule(kRefuseChain, comment.c_str());
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
        .IfEqual(RefuseMark(mark_mask, Notification::kTcpReset))
        .IfProtocol(IPPROTO_TCP)
        .IfReset();
  });
}

}  // namespace

void AddRefusal(uint32_t mark_mask, bool fib, TableTransaction& transaction) {
  const auto refused = [mark_mask](Notification notification, const char* comment) {
    TableRule rule(kRefuseChain, comment);
    rule.LoadMark(mark_mask).IfEqual(RefuseMark(mark_mask, notification));
    return rule;
  };
  // The first, as it may have to be fast.
  refused(Notification::kNone, "the decider refused it").Drop().AddTo(transaction);
  AddNoneDue(mark_mask, fib, transaction);
  if (fib) {
    TableRule(kRefuseChain, "not told: no way back")
        .IfNoWayBack()
        .Count(TableCounter::kNoWayBack)
        .Drop()
        .AddTo(transaction);
  }
  refused(Notification::kHostUnreachable, "told: host unreachable")
      .Count(TableCounter::kTold)
      .Reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_HOST_UNREACH)
      .AddTo(transaction);
  refused(Notification::kAdminProhibited, "told: administratively prohibited")
      .Count(TableCounter::kTold)
      .Reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED)
      .AddTo(transaction);
  refused(Notification::kTcpReset, "told: TCP reset")
      .IfProtocol(IPPROTO_TCP)
      .Count(TableCounter::kTold)
      .Reject(NFT_REJECT_TCP_RST, 0)
      .AddTo(transaction);
  for (const Notification notification :
       {Notification::kPortUnreachable, Notification::kTcpReset}) {  // A reset of what is not TCP.
    refused(notification, "told: port unreachable")
        .Count(TableCounter::kTold)
        .Reject(NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH)
        .AddTo(transaction);
  }
  TableRule(kRefuseChain, "refused by a slot that is gone").Drop().AddTo(transaction);
}

}  // namespace sluice::agent
