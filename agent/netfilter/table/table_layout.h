#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "agent/netfilter/exempt_flow.h"
#include "agent/netfilter/nftables/table_chain.h"
#include "agent/netfilter/nftables/table_rule.h"
#include "agent/netfilter/nftables/table_transaction.h"
#include "agent/netfilter/remembered/remembered_rules.h"
#include "agent/netfilter/table/table_hold.h"

namespace sluice::agent {

// How the table is built. Constant while the agent runs.
struct TableOptions {
  uint16_t first_queue = 0;
  uint16_t queue_count = 1;         // The kernel spreads flows over first .. first + count - 1.
  bool fail_open = false;           // The guard accepts packets that nobody decides.
  uint32_t mark_mask = 0xff000000;  // Packet-mark bits of the agent; see mark_bits.h.
  // Tracks connections even if no other rule needs it. The kernel then reassembles fragments.
  bool track_connections = false;
  uint32_t connection_mark_mask = 0xff000000;  // Like mark_mask, for connection marks; 0: none.
  uint32_t remembered_limit = 65536;           // Entries of each set; see remembered_sets.h.
  std::vector<ExemptFlow> exempt = {};         // Not asked about; see table_exemptions.h.
};

// What the table does with packets that nobody decides. Without a table the mode is off.
enum class TableMode {
  kOn,      // As fail_open says.
  kShadow,  // They pass, whatever fail_open says.
};

// What the mode goes back to if nobody confirms it. The table only stores this, in the comment of
// the ask rule, for the next agent if this one dies.
enum class TableRevert { kNone, kToOff, kToOn, kToShadow };

// The state of a table.
struct TableState {
  TableState(TableMode its_mode, TableRevert its_revert = TableRevert::kNone)
      : mode(its_mode), revert(its_revert) {}

  TableMode mode;
  TableRevert revert;

  bool operator==(const TableState&) const = default;
};

// Whether connections are tracked, and deciders told the connection-tracking state of each packet.
inline bool TracksConnections(const TableOptions& options) {
  return options.track_connections || options.connection_mark_mask != 0;
}

inline constexpr char kAskChain[] = "ask";
inline constexpr char kGuardChain[] = "guard";
inline constexpr char kAskRule[] = "rule of chain ask";

// The chains of the table, except those of early_drop.h.
std::vector<TableChain> TableChains();

// Whether accepted connections can be remembered.
inline bool MarksConnections(const TableOptions& options) {
  return options.connection_mark_mask != 0;
}

// Adds to `transaction` what replaces any existing table by ours. The new table remembers nothing.
// Packets to many are excluded from connection tracking where they come in (multicast.h). A
// forwarded packet meets only two more hooked chains, because each costs it some 50 ns before its
// first rule:
//   prepare  mangle - 5  marks packets of accepted connections as decided. Clears our bits of the
//                        packet mark of the others, so that no packet comes in decided. Jumps to
//                        chain exempt, which marks as decided what is not asked about, then to the
//                        chains that look up remembered drops and accepts. Last jumps to chain ask,
//                        which counts packets, marks them with their connection-tracking state and
//                        queues them. A packet with verdict ACCEPT goes on after this chain.
//   guard    mangle - 4  lets decided packets pass. Does what a verdict's mark says: remembers,
//                        drops, sends the notice. Counts packets that were asked about though
//                        nobody listened (the queues let them go on to here). With fail_mode
//                        closed, drops these, and counts and drops every other packet without the
//                        decided bit, but not in mode shadow. Clears our bits before others' rules
//                        see them.
// In mode shadow nothing is remembered. The other chains: table_exemptions.h, remembered_rules.h,
// notify_rules.h and, for floods, early_drop.h.
void AddTable(const TableOptions& options, TableState state, TableExpressions has, TableHold hold,
              TableTransaction& transaction);

// Adds the replacement of all rules and sets of a table that has the chains of these options. The
// chains stay, so queued packets stay queued. A held table whose holder is gone is taken over.
void RefillTable(const TableOptions& options, TableState state, TableExpressions has,
                 TableHold hold, TableTransaction& transaction);

// Adds the replacement of all rules of `prepare`, which then looks up remembered drops before it
// accepts anything. Needed once there can be remembered drops.
void PutDropsFirst(const TableOptions& options, TableState state, TableTransaction& transaction);

// Adds the forgetting of all remembered verdicts: the slots and the contents of the sets go, and no
// connection counts as accepted. `early`: the table has the chains of early_drop.h.
void AddForgetting(const TableOptions& options, TableState state, bool early,
                   TableTransaction& transaction);

// The chains whose rules AddForgetting replaces.
inline constexpr const char* kForgetfulChains[] = {kPrepareChain,  kDroppedChain, kAcceptedChain,
                                                   kRememberChain, kMarkChain,    kRefreshChain};

// The state that the ask rule's comment tells. In doubt, mode on, confirmed.
TableState StateIn(absl::string_view ask_comment);

// Adds the removal of the rules that packets meet on their way in, and of those that drop what
// nobody decides. The chains stay, and verdicts are still carried out. If the last chain of a hook
// went, the kernel would drop every queued packet; without the rules it only stops queueing. The
// kernel refuses this with ENOENT if one of the chains is missing. `early`: as above.
void StopAsking(const TableOptions& options, bool early, TableTransaction& transaction);

// Adds the removal of the table. The kernel refuses it with ENOENT if there is none.
void DeleteTable(TableTransaction& transaction);

}  // namespace sluice::agent
