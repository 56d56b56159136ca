#include "agent/netfilter/table/multicast.h"

#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>

#include "agent/netfilter/nftables/table_counter.h"

namespace sluice::agent {
namespace {

using Side = TableRule::Side;

// Before others' rules, which may choose a zone: a packet that has one cannot be excluded from
// tracking any more.
constexpr int32_t kPriority = NF_IP_PRI_RAW - 1;

constexpr IpNetwork kIpv4Multicast = {.address = {224}, .prefix_length = 4};
constexpr IpNetwork kIpv4Broadcast = {.address = {255, 255, 255, 255}, .prefix_length = 32};
constexpr IpNetwork kIpv6Multicast = {.ipv6 = true, .address = {0xff}, .prefix_length = 8};

}  // namespace

TableChain MulticastChain() { return {kMulticastChain, {{NF_INET_PRE_ROUTING, kPriority}}}; }

void ForEachMulticast(bool fib, absl::FunctionRef<void(absl::FunctionRef<void(TableRule&)>)> add) {
  for (const IpNetwork& network : {kIpv4Multicast, kIpv4Broadcast, kIpv6Multicast}) {
    add([&](TableRule& rule) { rule.IfAddress(Side::kDestination, network); });
  }
  if (!fib) return;
  add([](TableRule& rule) {
    rule.IfPacketType(PACKET_BROADCAST)
        .IfFamily(NFPROTO_IPV4)
        .IfAddressType(Side::kDestination, RTN_BROADCAST);
  });
}

void AddMulticast(bool fib, TableTransaction& transaction) {
  ForEachMulticast(fib, [&](absl::FunctionRef<void(TableRule&)> is) {
    TableRule rule(kMulticastChain, "sent to many: copies cannot share a connection");
    is(rule);
    rule.Count(TableCounter::kUntracked).NoTrack().AddTo(transaction);
  });
}

}  // namespace sluice::agent
