#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "agent/netfilter/exempt_flow.h"
#include "agent/netfilter/remembered_rules.h"
#include "agent/netfilter/table_chain.h"
#include "agent/netfilter/table_hold.h"
#include "agent/netfilter/table_rule.h"
#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

// What the table is made for. Constant while the agent runs.
struct TableOptions {
  uint16_t first_queue = 0;
  uint16_t queue_count = 1;         // The kernel spreads flows over first .. first + count - 1.
  bool fail_open = false;           // The guard lets pass what nobody decides.
  uint32_t mark_mask = 0xff000000;  // Packet-mark bits of the agent; see mark_bits.h.
  // Have connections tracked though no other rule asks for it; fragments are reassembled then.
  bool track_connections = false;
  uint32_t connection_mark_mask = 0xff000000;  // As mark_mask, of connection marks; 0: none.
  uint32_t remembered_limit = 65536;           // Entries of each set; see remembered_sets.h.
  std::vector<ExemptFlow> exempt = {};         // Not asked about; see table_exemptions.h.
};

// What the table does with packets that nobody decides. Without a table the mode is off.
enum class TableMode {
  kOn,      // As fail_open says.
  kShadow,  // They pass, whatever fail_open says.
};

// What the mode goes back to, as nobody has confirmed it yet. The table only keeps it, in the ask
// rule's comment: an agent may die and leave it to the next.
enum class TableRevert { kNone, kToOff, kToOn, kToShadow };

// How a table stands.
struct TableState {
  TableState(TableMode its_mode, TableRevert its_revert = TableRevert::kNone)
      : mode(its_mode), revert(its_revert) {}

  TableMode mode;
  TableRevert revert;

  bool operator==(const TableState&) const = default;
};

// Whether connections are tracked, and deciders told what that makes of each packet.
inline bool TracksConnections(const TableOptions& options) {
  return options.track_connections || options.connection_mark_mask != 0;
}

inline constexpr char kAskChain[] = "ask";
inline constexpr char kGuardChain[] = "guard";
inline constexpr char kAskRule[] = "rule of chain ask";

// The chains of the table, but for those of early_refusal.h.
std::vector<TableChain> TableChains();

// Whether accepted connections can be remembered.
inline bool MarksConnections(const TableOptions& options) {
  return options.connection_mark_mask != 0;
}

// Adds to `transaction` whatever replaces the table that is there, if any, by ours. It remembers
// nothing yet. Packets to many are exempted from connection tracking where they come in:
// multicast.h. A forwarded packet meets two chains more, as each costs it some fifty nanoseconds
// before its first rule:
//   prepare  mangle - 5  marks decided what is of an accepted connection; clears our bits of the
//                        packet mark of the rest: nobody comes in decided; jumps to chain exempt,
//                        which marks decided what is not asked about, and to those that know what
//                        else is refused or accepted already; last to chain ask, which counts
//                        packets, marks them with what connection tracking makes of them and queues
//                        them; a verdict ACCEPT goes on after all that
//   guard    mangle - 4  lets pass what is decided; remembers and refuses, and tells the sender,
//                        what the verdict's mark says; counts what was asked about though nobody
//                        listened (the queues let it go on to here); with fail_mode closed drops
//                        that, and counts and drops whatever else lacks the decided bit, but not in
//                        mode shadow; clears our bits before others' rules see them
// In mode shadow nothing is remembered. The other chains: table_exemptions.h, remembered_rules.h,
// refusal_rules.h and, for floods, early_refusal.h.
void AddTable(const TableOptions& options, TableState state, TableExpressions has, TableHold hold,
              TableTransaction& transaction);

// Adds the replacement of all rules and sets of a table that has the chains of these options. The
// chains stay, and so what is queued stays queued. One that is held and whose holder is gone is
// taken over.
void RefillTable(const TableOptions& options, TableState state, TableExpressions has,
                 TableHold hold, TableTransaction& transaction);

// Adds what has `prepare` look at refusals before anything is accepted, once there can be any. All
// its rules are replaced.
void PutRefusalsFirst(const TableOptions& options, TableState state, TableTransaction& transaction);

// Adds the end of everything remembered: the slots and the contents of the sets go, and no
// connection is an accepted one. `early`: it has the chains of early_refusal.h.
void AddForgetting(const TableOptions& options, TableState state, bool early,
                   TableTransaction& transaction);

// The chains whose rules that replaces.
inline constexpr const char* kForgetfulChains[] = {kPrepareChain,  kRefusedChain, kAcceptedChain,
                                                   kRememberChain, kMarkChain,    kRefreshChain};

// What the ask rule's comment says of the state. In doubt it is mode on, confirmed.
TableState StateIn(absl::string_view ask_comment);

// Adds the removal of the rules that packets meet on their way in, and of those that drop what
// nobody decides; the chains stay, and verdicts are carried out. With the last chain of a hook the
// kernel drops every packet that is queued, without its rules it only stops to queue. Refused with
// ENOENT where one of the chains is not there. `early` as above.
void StopAsking(const TableOptions& options, bool early, TableTransaction& transaction);

// Adds the removal of the table. Refused with ENOENT where there is none.
void DeleteTable(TableTransaction& transaction);

}  // namespace sluice::agent
