#include "agent/netfilter/table/table_exemptions.h"

#include <linux/netfilter.h>

#include "absl/functional/function_ref.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/nftables/table_counter.h"
#include "agent/netfilter/nftables/table_rule.h"

namespace sluice::agent {
namespace {

using Side = TableRule::Side;

constexpr uint32_t kHopLimitOffset = 7;  // In the IPv6 header.
constexpr uint8_t kRouterSolicitation = 133;
constexpr uint8_t kRedirect = 137;

// The part of a rule for one direction of `flow` that both directions have alike.
TableRule Begin(const char* chain, const ExemptFlow& flow, bool answers) {
  const Side connecting = answers ? Side::kDestination : Side::kSource;
  const Side connected = answers ? Side::kSource : Side::kDestination;
  TableRule rule(chain, answers ? "exempt by configuration: answers" : "exempt by configuration");
  if (flow.source) rule.IfAddress(connecting, *flow.source);
  if (flow.destination) rule.IfAddress(connected, *flow.destination);
  if (flow.protocol != 0) rule.IfProtocol(flow.protocol);
  if (flow.port != 0) rule.IfPort(connected, flow.port);
  return rule;
}

// Calls `add` with each rule for the answers of `flow`; `add` completes the rule.
void ForEachAnswer(const char* chain, const ExemptFlow& flow,
                   absl::FunctionRef<void(TableRule&)> add) {
  if (flow.protocol == 0 || flow.protocol == IPPROTO_TCP) {
    TableRule tcp = Begin(chain, flow, /*answers=*/true);
    if (flow.protocol == 0) tcp.IfProtocol(IPPROTO_TCP);
    tcp.IfNotOpening();
    add(tcp);
  }
  if (flow.protocol != IPPROTO_TCP) {
    TableRule others = Begin(chain, flow, /*answers=*/true);
    if (flow.protocol == 0) others.IfNotProtocol(IPPROTO_TCP);
    add(others);
  }
}

}  // namespace

void AddExemptions(const std::vector<ExemptFlow>& flows, uint32_t mark_mask,
                   TableTransaction& transaction) {
  TableRule(kExemptChain, "neighbour discovery across a bridge")
      .IfFamily(NFPROTO_IPV6)
      .IfProtocol(IPPROTO_ICMPV6)
      .IfByte(NFT_PAYLOAD_NETWORK_HEADER, kHopLimitOffset, 255, 255)
      .IfByte(NFT_PAYLOAD_TRANSPORT_HEADER, 0, kRouterSolicitation, kRedirect)
      .Count(TableCounter::kExempted)
      .SetMark(mark_mask, DecidedBit(mark_mask))
      .Accept()
      .AddTo(transaction);
  const auto add = [&](TableRule& rule) {
    rule.Count(TableCounter::kExempted)
        .SetMark(mark_mask, DecidedBit(mark_mask))
        .Accept()
        .AddTo(transaction);
  };
  for (const ExemptFlow& flow : flows) {
    TableRule rule = Begin(kExemptChain, flow, /*answers=*/false);
    add(rule);
    ForEachAnswer(kExemptChain, flow, add);
  }
}

void AddExemptAnswers(const std::vector<ExemptFlow>& flows, const char* chain,
                      TableTransaction& transaction) {
  for (const ExemptFlow& flow : flows) {
    ForEachAnswer(chain, flow, [&](TableRule& rule) { rule.Accept().AddTo(transaction); });
  }
}

}  // namespace sluice::agent
