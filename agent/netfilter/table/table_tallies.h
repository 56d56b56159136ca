#pragma once

#include <array>
#include <cstdint>

#include "agent/netfilter/nftables/table_counter.h"
#include "agent/netfilter/table/table_shape.h"

namespace sluice::agent {

// A 64-bit total of kernel counters that come and go with the table that holds them. A value.
class TableTally final {
 public:
  // The counter stands at `packets` now. If that is less than before, others have reset it.
  void See(uint64_t packets) {
    if (packets < live_) gone_ += live_;
    live_ = packets;
  }

  // The counter is gone; its successor starts at 0.
  void Fold() {
    gone_ += live_;
    live_ = 0;
  }

  uint64_t total() const { return gone_ + live_; }

 private:
  uint64_t gone_ = 0;  // What earlier counters had.
  uint64_t live_ = 0;  // What the present one had when last seen.
};

// Packets, in 64 bits, over the table that was found and all that were installed. For what each
// counts see table_counter.h.
struct TableCounters {
  uint64_t asked = 0;
  uint64_t unheard_dropped = 0;
  uint64_t unheard_accepted = 0;
  uint64_t guard_dropped = 0;
  uint64_t exempted = 0;
  uint64_t accepted_connection = 0;
  uint64_t accepted_address = 0;
  uint64_t dropped_connection = 0;
  uint64_t dropped_address = 0;  // Includes those dropped early.
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
  // The counters of the present table stand like this now.
  void See(const TableShape& now);
  // The table is gone; the counters of the next one start at 0.
  void Fold();

  TableCounters counters() const;

 private:
  uint64_t total(TableCounter counter) const;

  std::array<TableTally, kTableCounters> tallies_;
};

}  // namespace sluice::agent
