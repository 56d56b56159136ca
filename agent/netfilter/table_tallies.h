#pragma once

#include <array>
#include <cstdint>

#include "agent/netfilter/table_counter.h"
#include "agent/netfilter/table_shape.h"
#include "agent/netfilter/table_tally.h"

namespace sluice::agent {

// Packets, in 64 bits, over all tables that were installed, and the one that was found. What they
// count: table_counter.h.
struct TableCounters {
  uint64_t asked = 0;
  uint64_t unheard_dropped = 0;
  uint64_t unheard_accepted = 0;
  uint64_t guard_dropped = 0;
  uint64_t exempted = 0;
  uint64_t accepted_connection = 0;
  uint64_t accepted_address = 0;
  uint64_t dropped_connection = 0;
  uint64_t dropped_address = 0;  // With those dropped early.
  uint64_t entered = 0;
  uint64_t kept = 0;
  uint64_t wiped = 0;
  uint64_t untracked = 0;
  uint64_t told = 0;
  uint64_t none_due = 0;
  uint64_t no_way_back = 0;
};

// Adds up the counters of tables that come and go. Owned by Table, under its mutex.
class TableTallies final {
 public:
  // They stand so now.
  void See(const TableShape& now);
  // The table is gone; the next one's start at 0.
  void Fold();

  TableCounters counters() const;

 private:
  uint64_t total(TableCounter counter) const;

  std::array<TableTally, kTableCounters> tallies_;
};

}  // namespace sluice::agent
