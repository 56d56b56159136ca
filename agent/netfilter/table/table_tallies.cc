#include "agent/netfilter/table/table_tallies.h"

namespace sluice::agent {

void TableTallies::See(const TableShape& now) {
  for (size_t i = 0; i < kTableCounters; ++i) {
    const auto counter = now.counters.find(NameOf(static_cast<TableCounter>(i)));
    if (counter != now.counters.end()) tallies_[i].See(counter->second);
  }
}

void TableTallies::Fold() {
  for (TableTally& tally : tallies_) tally.Fold();
}

TableCounters TableTallies::counters() const {
  return {
      .asked = total(TableCounter::kAsked),
      .unheard_dropped = total(TableCounter::kUnheardDropped),
      .unheard_accepted = total(TableCounter::kUnheardAccepted),
      .guard_dropped = total(TableCounter::kGuardDropped),
      .exempted = total(TableCounter::kExempted),
      .accepted_connection = total(TableCounter::kAcceptedConnection),
      .accepted_address = total(TableCounter::kAcceptedAddress),
      .dropped_connection = total(TableCounter::kDroppedConnection),
      .dropped_address = total(TableCounter::kDroppedAddress) + total(TableCounter::kDroppedEarly),
      .entered = total(TableCounter::kEntered),
      .kept = total(TableCounter::kKept),
      .wiped = total(TableCounter::kWiped),
      .untracked = total(TableCounter::kUntracked),
      .told = total(TableCounter::kTold),
      .none_due = total(TableCounter::kNoneDue),
      .no_way_back = total(TableCounter::kNoWayBack),
  };
}

uint64_t TableTallies::total(TableCounter counter) const {
  return tallies_[static_cast<size_t>(counter)].total();
}

}  // namespace sluice::agent
