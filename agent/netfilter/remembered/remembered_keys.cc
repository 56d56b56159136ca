#include "agent/netfilter/remembered/remembered_keys.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>

#include "agent/netfilter/nftables/port_protocols.h"

namespace sluice::agent {
namespace {

enum class Transport { kPorts, kIcmp, kOther };

bool Has(const RememberedSet& set, KeyPart part) {
  return std::find(set.parts.begin(), set.parts.end(), part) != set.parts.end();
}

TableRule& IfIcmp(bool ipv6, bool is, TableRule& rule) {
  const uint8_t protocol = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  return is ? rule.IfProtocol(protocol) : rule.IfNotProtocol(protocol);
}

void IfTransport(bool ipv6, Transport transport, TableRule& rule) {
  if (transport != Transport::kPorts) IfIcmp(ipv6, transport == Transport::kIcmp, rule);
  if (transport != Transport::kIcmp) {
    rule.IfProtocolIn(kPortProtocols, /*is=*/transport == Transport::kPorts);
  }
}

void ReadSourcePort(Transport transport, TableRule& rule) {
  if (transport == Transport::kPorts) {
    rule.KeyFromHeader(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2);
  } else {
    rule.KeyFromNothing();
  }
}

void ReadDestinationPort(Transport transport, TableRule& rule) {
  if (transport == Transport::kOther) {
    rule.KeyFromNothing();
  } else {  // ICMP begins with type and code.
    rule.KeyFromHeader(NFT_PAYLOAD_TRANSPORT_HEADER, transport == Transport::kIcmp ? 0 : 2, 2);
  }
}

void ReadZone(bool tracked, TableRule& rule) {
  tracked ? rule.KeyFromConnection(NFT_CT_ZONE, 2) : rule.KeyFromNothing();
}

void ReadPacketKey(const RememberedSet& set, Transport transport, bool tracked, TableRule& rule) {
  const uint32_t size = set.ipv6 ? 16 : 4;
  const uint32_t source = set.ipv6 ? 8 : 12;  // Its offset in the header.
  for (const KeyPart part : set.parts) {
    if (part == KeyPart::kSource) {
      rule.KeyFromHeader(NFT_PAYLOAD_NETWORK_HEADER, source, size);
    } else if (part == KeyPart::kDestination) {
      rule.KeyFromHeader(NFT_PAYLOAD_NETWORK_HEADER, source + size, size);
    } else if (part == KeyPart::kProtocol) {
      rule.KeyFromProtocol();
    } else if (part == KeyPart::kSourcePort) {
      ReadSourcePort(transport, rule);
    } else if (part == KeyPart::kDestinationPort) {
      ReadDestinationPort(transport, rule);
    } else if (part == KeyPart::kInput) {
      rule.KeyFromInterface(TableRule::Way::kIn);
    } else if (part == KeyPart::kOutput) {
      rule.KeyFromInterface(TableRule::Way::kOut);
    } else if (part == KeyPart::kZone) {
      ReadZone(tracked, rule);
    }
  }
}

void ReadConnectionKey(bool ipv6, TableRule::Way input, TableRule::Way output, TableRule& rule) {
  const uint32_t size = ipv6 ? 16 : 4;
  rule.KeyFromConnection(ipv6 ? NFT_CT_SRC_IP6 : NFT_CT_SRC_IP, size)
      .KeyFromConnection(ipv6 ? NFT_CT_DST_IP6 : NFT_CT_DST_IP, size)
      .KeyFromConnection(NFT_CT_PROTOCOL, 1)
      .KeyFromConnection(NFT_CT_PROTO_SRC, 2)
      .KeyFromConnection(NFT_CT_PROTO_DST, 2)
      .KeyFromInterface(input)
      .KeyFromInterface(output)
      .KeyFromConnection(NFT_CT_ZONE, 2);
}

// Calls `add` with conditions that limit a rule to packets of connections.
void ForEachKindOfConnection(bool ipv6, absl::FunctionRef<void(ReadKey)> add) {
  for (const bool icmp : {false, true}) {
    add([&](TableRule& rule) {
      IfIcmp(ipv6, icmp, rule.IfFamily(ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4));
      if (icmp) rule.LoadConnectionState(NF_CT_STATE_BIT(IP_CT_RELATED)).IfEqual(0);
    });
  }
}

// Calls `add` with conditions that limit a rule to packets in one of those states, and with their
// key. `untracked_states` 0: to tracked packets, or to all where there is no tracking.
void ForEachPacketKey(const RememberedSet& set, bool tracked, uint32_t untracked_states,
                      absl::FunctionRef<void(ReadKey)> add) {
  const bool ports = Has(set, KeyPart::kDestinationPort);
  for (const Transport transport : {Transport::kPorts, Transport::kIcmp, Transport::kOther}) {
    add([&](TableRule& rule) {
      rule.IfFamily(set.ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
      if (untracked_states != 0) rule.LoadConnectionState(untracked_states).IfNotEqual(0);
      if (ports) IfTransport(set.ipv6, transport, rule);
      ReadPacketKey(set, transport, tracked, rule);
    });
    if (!ports) return;
  }
}

}  // namespace

void ForEachKey(const RememberedSet& set, bool tracks, absl::FunctionRef<void(ReadKey)> add) {
  if (set.scope != RememberedScope::kConnection) {
    // With tracking, most packets are tracked.
    if (tracks) ForEachPacketKey(set, /*tracked=*/true, /*untracked_states=*/0, add);
    constexpr uint32_t kStates = NF_CT_STATE_UNTRACKED_BIT | NF_CT_STATE_INVALID_BIT;
    return ForEachPacketKey(set, /*tracked=*/false, tracks ? kStates : 0, add);
  }
  ForEachKindOfConnection(set.ipv6, [&](ReadKey kind) {
    add([&](TableRule& rule) {
      kind(rule);
      ReadConnectionKey(set.ipv6, TableRule::Way::kIn, TableRule::Way::kOut, rule);
    });
  });
  ForEachUntrackedKey(set, add);
}

void ForEachUntrackedKey(const RememberedSet& set, absl::FunctionRef<void(ReadKey)> add) {
  ForEachPacketKey(set, /*tracked=*/false, NF_CT_STATE_UNTRACKED_BIT, add);
}

void ForEachReplyKey(const RememberedSet& set, absl::FunctionRef<void(ReadKey)> add) {
  ForEachKindOfConnection(set.ipv6, [&](ReadKey kind) {
    add([&](TableRule& rule) {
      kind(rule);
      // A connection whose first packet was dropped does not exist and has no other direction.
      rule.LoadConnectionStatus(IPS_CONFIRMED).IfNotEqual(0);
      ReadConnectionKey(set.ipv6, TableRule::Way::kOut, TableRule::Way::kIn, rule);
    });
  });
}

}  // namespace sluice::agent
