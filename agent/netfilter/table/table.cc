#include "agent/netfilter/table/table.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/nftables/table_counter.h"
#include "agent/netfilter/nftables/table_transaction.h"
#include "agent/netfilter/port_owner.h"
#include "agent/netfilter/remembered/remembered_rules.h"
#include "agent/netfilter/remembered/remembered_sets.h"
#include "agent/netfilter/table/early_drop.h"
#include "agent/netfilter/table/multicast.h"
#include "agent/netfilter/table/table_exemptions.h"
#include "agent/netfilter/table/table_reader.h"

namespace sluice::agent {
namespace {

// Whether the kernel lacks an expression of that rule. Nothing else in these rules can be missing.
bool LacksExpression(const char* rule, const TableRefusal& refusal,
                     const TableTransaction& transaction) {
  return refusal.error == ENOENT && transaction.ObjectOf(refusal) == rule;
}

std::vector<TableChain> Joined(std::vector<TableChain> chains,
                               const std::vector<TableChain>& more) {
  chains.insert(chains.end(), more.begin(), more.end());
  return chains;
}

bool HasEarlyChains(const TableShape& shape) { return shape.chains.contains(kEarlyChain); }

}  // namespace

absl::StatusOr<std::unique_ptr<Table>> Table::Open(const TableOptions& options) {
  if (options.queue_count == 0 || options.first_queue + options.queue_count > 65536) {
    return absl::InvalidArgumentError(absl::StrCat("queues: ", options.queue_count, " from number ",
                                                   options.first_queue,
                                                   ": at least one, and numbers end at 65535"));
  }
  if (options.mark_mask == 0) {
    return absl::InvalidArgumentError("hook.mark_mask: 0: must leave the agent a bit");
  }
  absl::StatusOr<std::unique_ptr<TableSocket>> socket = TableSocket::Open();
  if (!socket.ok()) return socket.status();
  return std::unique_ptr<Table>(new Table(options, *std::move(socket)));
}

Table::Table(const TableOptions& options, std::unique_ptr<TableSocket> socket)
    : options_(options),
      chains_(Joined(TableChains(), EarlyChains())),
      port_id_(socket->port_id()),
      socket_(std::move(socket)) {}

// To learn who holds the table we must read it; only root can tell which process that is.
absl::Status Table::Refused(const TableRefusal& refusal, const TableTransaction& transaction) {
  if (refusal.error == 0) return absl::OkStatus();
  std::string hint;
  if (LacksExpression(kAskRule, refusal, transaction)) {
    hint =
        "this kernel has neither nftables' queue expression (CONFIG_NFT_QUEUE) nor the iptables "
        "target NFQUEUE for it (CONFIG_NFT_COMPAT, CONFIG_NETFILTER_XT_TARGET_NFQUEUE)";
  } else if (LacksExpression(kMulticastRule, refusal, transaction)) {  // The first that counts.
    hint = "this kernel has no named counters of nftables (CONFIG_NFT_OBJREF)";
  } else if (refusal.error == EPERM && !transaction.IsWhole(refusal)) {
    // Without the capability, the kernel refuses the transaction before it looks at any part of it.
    const auto found = ReadTableShape({}, *socket_);
    const uint32_t port = found.ok() && found->has_value() ? (*found)->owner : 0;
    const std::optional<PortOwner> owner = FindPortOwner(port);
    hint = absl::StrCat(owner ? absl::StrCat("process ", owner->pid, ", ", owner->name, ",")
                              : absl::StrCat("the program of netlink port ", port),
                        " holds this table as its own (flag owner): end that program");
  }
  return TableError(refusal.error, transaction.ObjectOf(refusal), hint);
}

absl::Status Table::FindHold() {
  if (hold_) return absl::OkStatus();
  const absl::StatusOr<TableHold> hold = FindTableHold(*socket_);
  if (hold.ok()) hold_ = *hold;
  return hold.status();
}

// Whether the table has our chains, with or without the early ones, besides them only as many sets
// and counters as ours, and is not dormant. A refill replaces the sets and sets the policies
// anyway; if the sets are not ours, the kernel refuses it.
bool Table::HasChains(const TableShape& shape) const {
  std::vector<TableChain> wanted = TableChains();
  size_t objects = wanted.size() + kTableCounters + kRememberedSetCount + 1;  // kPortProtocols
  if (HasEarlyChains(shape)) {
    wanted = Joined(std::move(wanted), EarlyChains());
    objects += kEarlyObjects;
  }
  // A table without an owner was left by an earlier agent.
  const uint32_t flags = FlagsOf(*hold_) & (shape.owner == 0 ? ~uint32_t{NFT_TABLE_F_OWNER} : ~0u);
  if (shape.flags != flags || shape.use != objects) return false;
  return std::all_of(wanted.begin(), wanted.end(), [&](const TableChain& chain) {
    const auto found = shape.chains.find(chain.name);
    if (found == shape.chains.end()) return false;
    const TableShape::Chain& there = found->second;
    if (!chain.hook) return there.type.empty();
    return there.type == "filter" && there.hook == chain.hook->number &&
           there.priority == chain.hook->priority;
  });
}

absl::Status Table::Build(Intent intent, TableState state, TableShape& made) {
  if (absl::Status status = FindHold(); !status.ok()) return status;
  // Only trying tells which expressions the kernel has. The better one is tried first.
  TableExpressions has = expressions_.value_or(TableExpressions());
  while (true) {
    TableTransaction transaction(socket_->ReserveSequence(TableTransaction::kMaxMessages));
    if (intent == Intent::kRefill) {
      RefillTable(options_, state, has, *hold_, transaction);
    } else {
      AddTable(options_, state, has, *hold_, transaction);
    }
    const TableRefusal refusal = intent == Intent::kCheck
                                     ? transaction.Check(*socket_)
                                     : transaction.Commit(*socket_, [&](const nlmsghdr* message) {
                                         AddToShape(message, made);
                                       });
    if (has.fib && LacksExpression(kMulticastRule, refusal, transaction)) {
      has.fib = false;
    } else if (has.queue == QueueExpression::kNative &&
               LacksExpression(kAskRule, refusal, transaction)) {
      has.queue = QueueExpression::kXtables;
    } else {
      if (refusal.error == 0) expressions_ = has;
      return Refused(refusal, transaction);
    }
  }
}

absl::Status Table::Install(TableState state) {
  MutexLock lock(mutex_);
  if (absl::Status status = FindHold(); !status.ok()) return status;
  const auto found = ReadTableShape(chains_, *socket_);
  const bool there = found.ok() && found->has_value();
  if (there) {
    TakeOver(**found);
    See(**found);
  }
  const bool ours = there && handle_ == (*found)->handle && HasChains(**found);
  if (!ours || !Refill(state, **found)) {
    TableShape made;
    absl::Status status = Build(Intent::kReplace, state, made);
    if (!status.ok()) return status;
    tallies_.Fold();
    made_ = std::move(made);
    handle_ = made_->handle;
    if (!before_.has_value()) before_ = TableCounters();
  }
  mode_ = state.mode;
  slots_.clear();
  return absl::OkStatus();
}

// Replaces the rules of the existing table; false if the kernel refused.
bool Table::Refill(TableState state, const TableShape& found) {
  TableShape made;
  if (!Build(Intent::kRefill, state, made).ok()) return false;
  made_ = found;
  if (*hold_ == TableHold::kHeld) {
    made_->flags = FlagsOf(*hold_);
    made_->owner = port_id_;
  }
  for (auto& [name, chain] : made_->chains) chain.rules.clear();
  for (auto& [name, chain] : made.chains) made_->chains[name] = std::move(chain);
  return true;
}

absl::Status Table::Forget() {
  MutexLock lock(mutex_);
  if (!made_.has_value()) return absl::FailedPreconditionError("there is no table inet sluice");
  TableTransaction transaction(socket_->ReserveSequence(TableTransaction::kMaxMessages));
  const bool early = HasEarlyChains(*made_);
  AddForgetting(options_, mode_, early, transaction);
  TableShape made;
  const TableRefusal refusal =
      transaction.Commit(*socket_, [&](const nlmsghdr* message) { AddToShape(message, made); });
  if (refusal.error != 0) return Refused(refusal, transaction);
  for (const char* chain : kForgetfulChains) made_->chains[chain].rules = made.chains[chain].rules;
  if (early) {
    for (const TableChain& chain : EarlyChains()) made_->chains[chain.name].rules.clear();
  }
  slots_.clear();
  return absl::OkStatus();
}

absl::Status Table::AddSlot(const RememberedSlot& slot) {
  MutexLock lock(mutex_);
  if (!made_.has_value()) return absl::FailedPreconditionError("there is no table inet sluice");
  if (slot.kind.accept && slot.number == kEnteredConnectionSlot) {  // The table has its rules.
    slots_.push_back(slot);
    return absl::OkStatus();
  }
  const auto any = [](const std::vector<RememberedSlot>& slots, auto&& is) {
    return std::any_of(slots.begin(), slots.end(), is);
  };
  const bool first = !any(slots_, [&](const RememberedSlot& other) {
    return other.kind.scope == slot.kind.scope && other.kind.accept == slot.kind.accept;
  });
  const bool first_drop = !slot.kind.accept && !any(slots_, [](const RememberedSlot& other) {
    return !other.kind.accept;
  });
  TableTransaction transaction(socket_->ReserveSequence(TableTransaction::kMaxMessages));
  const bool first_source =
      first && !slot.kind.accept && slot.kind.scope == RememberedScope::kSource;
  // The early rules look at connections, which the kernel would have to track for them alone.
  const bool early = first_source && TracksConnections(options_);
  if (early) AddEarlyDrops(options_.mark_mask, options_.exempt, transaction);
  const RememberMarks marks = {.mark_mask = options_.mark_mask,
                               .connection_mark_mask = options_.connection_mark_mask,
                               .tracks = TracksConnections(options_)};
  if (slot.connection_mark != 0) {
    AddConnectionMark(marks, slot, transaction);
  } else {
    AddRememberedSlot(marks, slot, first, transaction);
  }
  if (first_drop) PutDropsFirst(options_, mode_, transaction);
  TableShape made;
  const TableRefusal refusal =
      transaction.Commit(*socket_, [&](const nlmsghdr* message) { AddToShape(message, made); });
  if (refusal.error != 0) return Refused(refusal, transaction);
  if (first_drop) made_->chains[kPrepareChain].rules.clear();
  if (early && !HasEarlyChains(*made_)) made_->use += kEarlyObjects;
  for (const auto& [name, chain] : made.chains) {
    const auto there = made_->chains.try_emplace(name, chain);
    if (there.second) continue;
    auto& rules = there.first->second.rules;
    rules.insert(rules.end(), chain.rules.begin(), chain.rules.end());
  }
  slots_.push_back(slot);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<RememberedEntry>> Table::ReadRemembered(size_t limit) {
  MutexLock lock(mutex_);
  if (slots_.empty()) return std::vector<RememberedEntry>();
  return ReadRememberedEntries(options_.mark_mask, slots_, limit, *socket_);
}

absl::StatusOr<size_t> Table::CountRemembered() {
  MutexLock lock(mutex_);
  return CountRememberedEntries(options_.mark_mask, slots_, *socket_);
}

absl::Status Table::Check() {
  MutexLock lock(mutex_);
  TableShape made;
  return Build(Intent::kCheck, TableMode::kOn, made);
}

absl::Status Table::StopAsking() {
  MutexLock lock(mutex_);
  const auto found = ReadTableShape({}, *socket_);
  const bool early = found.ok() && found->has_value() && HasEarlyChains(**found);
  for (const bool whole : {true, false}) {
    TableTransaction transaction(socket_->ReserveSequence(TableTransaction::kMaxMessages));
    if (whole) {
      sluice::agent::StopAsking(options_, early, transaction);
    } else {
      FlushChain(kAskChain, transaction);
    }
    const TableRefusal refusal = transaction.Commit(*socket_, [](const nlmsghdr*) {});
    if (refusal.error == 0) break;
    // Somebody removed the table; or only a chain of it, and packets are still asked about.
    if (refusal.error != ENOENT) return Refused(refusal, transaction);
  }
  return absl::OkStatus();
}

absl::Status Table::Remove() {
  MutexLock lock(mutex_);
  // The kernel does not report the last value of a counter that is deleted (since Linux 6.3).
  SeeCounters().IgnoreError();
  TableTransaction transaction(socket_->ReserveSequence(TableTransaction::kMaxMessages));
  DeleteTable(transaction);
  const TableRefusal refusal = transaction.Commit(*socket_, [](const nlmsghdr*) {});
  if (refusal.error != 0 && refusal.error != ENOENT) return Refused(refusal, transaction);
  tallies_.Fold();
  made_.reset();
  handle_.reset();
  slots_.clear();
  return absl::OkStatus();
}

absl::StatusOr<TableCounters> Table::ReadCounters() {
  MutexLock lock(mutex_);
  if (absl::Status status = SeeCounters(); !status.ok()) return status;
  return tallies_.counters();
}

absl::Status Table::SeeCounters() {
  if (!handle_.has_value()) return absl::OkStatus();
  const absl::StatusOr<std::optional<TableShape>> now = ReadTableCounters(*socket_);
  if (now.ok() && now->has_value()) See(**now);
  return now.status();
}

TableCounters Table::counters_before() const {
  MutexLock lock(mutex_);
  return before_.value_or(TableCounters());
}

absl::StatusOr<bool> Table::Intact() {
  MutexLock lock(mutex_);
  if (!made_.has_value()) return false;
  absl::StatusOr<std::optional<TableShape>> now = ReadTableShape(chains_, *socket_);
  if (!now.ok()) return now.status();
  if (!now->has_value()) return false;
  See(**now);
  return SameStructure(**now, *made_);
}

absl::StatusOr<std::optional<TableState>> Table::Found() {
  MutexLock lock(mutex_);
  const absl::StatusOr<std::optional<TableShape>> now = ReadTableShape({}, *socket_);
  if (!now.ok()) return now.status();
  if (!now->has_value()) return std::nullopt;
  TakeOver(**now);
  const auto ask = (*now)->chains.find(kAskChain);
  const bool asks = ask != (*now)->chains.end() && !ask->second.rules.empty();
  return StateIn(asks ? ask->second.rules.back().comment : "");
}

std::optional<TableHold> Table::hold() const {
  MutexLock lock(mutex_);
  return hold_;
}

std::optional<TableExpressions> Table::expressions() const {
  MutexLock lock(mutex_);
  return expressions_;
}

// Takes over the counters of a table that an earlier agent left. Any table that we find later was
// made by others, and its counters are not ours.
void Table::TakeOver(const TableShape& found) {
  if (before_.has_value()) return;
  handle_ = found.handle;
  See(found);
  before_ = tallies_.counters();
}

void Table::See(const TableShape& now) {
  if (handle_ == now.handle) tallies_.See(now);
}

}  // namespace sluice::agent
