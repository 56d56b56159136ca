#include "agent/netfilter/table_tallies.h"

#include <optional>

#include "absl/strings/match.h"
#include "agent/netfilter/early_refusal.h"
#include "agent/netfilter/remembered_rules.h"
#include "agent/netfilter/table_exemptions.h"
#include "agent/netfilter/table_layout.h"

namespace sluice::agent {
namespace {

void SeeInto(TableTally& tally, std::optional<uint64_t> packets) {
  if (packets.has_value()) tally.See(*packets);
}

}  // namespace

void TableTallies::See(const TableShape& now, const TableShape& made) {
  SeeInto(asked_, PacketsOf(now, made, kAskChain));
  SeeInto(guard_dropped_, PacketsOf(now, made, kGuardChain));
  SeeInto(exempted_, PacketsOf(now, made, kExemptChain));
  const auto of = [](bool connections) {
    return [connections](const TableShape::Rule& rule) {
      return absl::StartsWith(rule.comment, kConnectionsComment) == connections ? rule.packets
                                                                                : std::nullopt;
    };
  };
  SeeInto(accepted_connection_, PacketsOf(now, made, kPrepareChain));
  SeeInto(accepted_address_, PacketsOf(now, made, kAcceptedChain));
  SeeInto(dropped_connection_, PacketsOf(now, made, kRefusedChain, of(true)));
  SeeInto(dropped_address_, PacketsOf(now, made, kRefusedChain, of(false)));
  SeeInto(dropped_early_, PacketsOf(now, made, kFloodsChain));
  SeeInto(entered_, PacketsOf(now, made, kRememberChain));
  SeeInto(kept_, PacketsOf(now, made, kRememberChain,
                           [](const TableShape::Rule& rule) { return rule.passed; }));
}

void TableTallies::Fold() {
  asked_.Fold();
  guard_dropped_.Fold();
  exempted_.Fold();
  FoldRemembered();
}

void TableTallies::FoldPrepared() { accepted_connection_.Fold(); }

void TableTallies::FoldRemembered() {
  FoldPrepared();
  accepted_address_.Fold();
  dropped_connection_.Fold();
  dropped_address_.Fold();
  dropped_early_.Fold();
  entered_.Fold();
  kept_.Fold();
}

TableCounters TableTallies::counters() const {
  return {.asked = asked_.total(),
          .guard_dropped = guard_dropped_.total(),
          .exempted = exempted_.total(),
          .accepted_connection = accepted_connection_.total(),
          .accepted_address = accepted_address_.total(),
          .dropped_connection = dropped_connection_.total(),
          .dropped_address = dropped_address_.total() + dropped_early_.total(),
          .entered = entered_.total(),
          .kept = kept_.total()};
}

}  // namespace sluice::agent
