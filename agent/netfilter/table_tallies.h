#pragma once

#include <cstdint>

#include "agent/netfilter/table_shape.h"
#include "agent/netfilter/table_tally.h"

namespace sluice::agent {

// Packets, in 64 bits, over all tables that were installed.
struct TableCounters {
  uint64_t asked = 0;          // Reached the ask rule.
  uint64_t guard_dropped = 0;  // Dropped by the guard: nobody had let them pass.
  uint64_t exempted = 0;       // Passed unasked by chain exempt.

  // Settled by what is remembered: of connections, and from addresses.
  uint64_t accepted_connection = 0;
  uint64_t accepted_address = 0;
  uint64_t dropped_connection = 0;
  uint64_t dropped_address = 0;
  // To be remembered, and those of them that could be.
  uint64_t entered = 0;
  uint64_t kept = 0;
};

// Adds up the counters of the table's rules, which come and go with them. Owned by Table, under its
// mutex.
class TableTallies final {
 public:
  // What the rules say now, or said when they went; only those of `made` count.
  void See(const TableShape& now, const TableShape& made);
  // All rules are new, and start at 0.
  void Fold();
  // Those of `prepare` are.
  void FoldPrepared();
  // Those are that remember, and that know what is remembered.
  void FoldRemembered();

  TableCounters counters() const;

 private:
  TableTally asked_;
  TableTally guard_dropped_;
  TableTally exempted_;
  TableTally accepted_connection_;
  TableTally accepted_address_;
  TableTally dropped_connection_;
  TableTally dropped_address_;
  TableTally dropped_early_;
  TableTally entered_;
  TableTally kept_;
};

}  // namespace sluice::agent
