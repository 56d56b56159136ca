#include "agent/netfilter/table.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/netfilter/early_refusal.h"
#include "agent/netfilter/mark_bits.h"
#include "agent/netfilter/remembered_rules.h"
#include "agent/netfilter/remembered_sets.h"
#include "agent/netfilter/table_exemptions.h"
#include "agent/netfilter/table_reader.h"
#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {
namespace {

bool IsDeletion(const nlmsghdr* message) {
  switch (NFNL_MSG_TYPE(message->nlmsg_type)) {
    case NFT_MSG_DELTABLE:
    case NFT_MSG_DELCHAIN:
    case NFT_MSG_DELRULE:
      return true;
    default:
      return false;
  }
}

// The kernel has no such expression. Nothing else about this rule can be missing.
bool LacksQueueExpression(const TableRefusal& refusal, const TableTransaction& transaction) {
  return refusal.error == ENOENT && transaction.ObjectOf(refusal) == kAskRule;
}

absl::Status RefusalStatus(const TableRefusal& refusal, const TableTransaction& transaction) {
  if (refusal.error == 0) return absl::OkStatus();
  absl::string_view hint;
  if (LacksQueueExpression(refusal, transaction)) {
    hint =
        "this kernel has neither nftables' queue expression (CONFIG_NFT_QUEUE) nor the iptables "
        "target NFQUEUE for it (CONFIG_NFT_COMPAT, CONFIG_NETFILTER_XT_TARGET_NFQUEUE)";
  } else if (refusal.error == EPERM && !transaction.IsWhole(refusal)) {
    // A missing capability refuses the transaction before it looks at any part of it.
    hint = "another program holds this table as its own (flag owner): end that program";
  }
  return TableError(refusal.error, transaction.ObjectOf(refusal), hint);
}

std::vector<TableChain> Joined(std::vector<TableChain> chains,
                               const std::vector<TableChain>& more) {
  chains.insert(chains.end(), more.begin(), more.end());
  return chains;
}

bool HasEarlyChains(const TableShape& shape) { return shape.chains.contains(kEarlyChain); }

// Our chains, the early ones or not, nothing else but as many sets, and they are awake. The sets
// themselves are replaced anyway, and policies set; if they are others the kernel says so.
bool HasChains(const TableShape& shape) {
  std::vector<TableChain> wanted = TableChains();
  size_t objects = wanted.size() + kRememberedSets.size();
  if (HasEarlyChains(shape)) {
    wanted = Joined(std::move(wanted), EarlyChains());
    objects += kEarlyObjects;
  }
  if (shape.flags != 0 || shape.use != objects) return false;
  return std::all_of(wanted.begin(), wanted.end(), [&](const TableChain& chain) {
    const auto found = shape.chains.find(chain.name);
    if (found == shape.chains.end()) return false;
    const TableShape::Chain& there = found->second;
    if (!chain.hook) return there.type.empty();
    return there.type == "filter" && there.hook == chain.hook->number &&
           there.priority == chain.hook->priority;
  });
}

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

absl::Status Table::Build(Intent intent, TableState state, uint32_t generation, TableShape& made,
                          TableShape& gone) {
  // What a kernel has of the two is only known by trying, the better one first.
  for (QueueExpression queue : {QueueExpression::kNative, QueueExpression::kXtables}) {
    if (queue_expression_.value_or(queue) != queue) continue;
    TableTransaction transaction(socket_->ReserveSequence(TableTransaction::kMaxMessages));
    if (intent == Intent::kRefill) {
      RefillTable(options_, state, generation, queue, transaction);
    } else {
      AddTable(options_, state, generation, queue, transaction);
    }
    const TableRefusal refusal = intent == Intent::kCheck
                                     ? transaction.Check(*socket_)
                                     : transaction.Commit(*socket_, [&](const nlmsghdr* message) {
                                         AddToShape(message, IsDeletion(message) ? gone : made);
                                       });
    if (queue == QueueExpression::kNative && LacksQueueExpression(refusal, transaction)) continue;
    if (refusal.error == 0) queue_expression_ = queue;
    return RefusalStatus(refusal, transaction);
  }
  return absl::InternalError("unreachable: the last expression always returns");
}

absl::Status Table::Install(TableState state, uint32_t generation) {
  MutexLock lock(mutex_);
  if (!Refill(state, generation)) {
    TableShape made, gone;
    absl::Status status = Build(Intent::kReplace, state, generation, made, gone);
    if (!status.ok()) return status;
    See(gone);
    tallies_.Fold();
    made_ = std::move(made);
  }
  mode_ = state.mode;
  generation_ = generation;
  slots_.clear();
  return absl::OkStatus();
}

// Replaces the rules of the table that is there; false if its chains are not ours, or the kernel
// would not.
bool Table::Refill(TableState state, uint32_t generation) {
  const auto found = ReadTableShape(chains_, *socket_);
  if (!found.ok() || !found->has_value() || !HasChains(**found)) return false;
  TableShape made, gone;
  if (!Build(Intent::kRefill, state, generation, made, gone).ok()) return false;
  // Rules do not say which table they are of but by its name.
  gone.handle = (*found)->handle;
  See(gone);
  tallies_.Fold();
  made_ = **found;
  for (auto& [name, chain] : made_->chains) chain.rules.clear();
  for (auto& [name, chain] : made.chains) made_->chains[name] = std::move(chain);
  return true;
}

absl::Status Table::Forget(uint32_t generation) {
  MutexLock lock(mutex_);
  if (!made_.has_value()) return absl::FailedPreconditionError("there is no table inet sluice");
  TableTransaction transaction(socket_->ReserveSequence(TableTransaction::kMaxMessages));
  const bool early = HasEarlyChains(*made_);
  AddForgetting(options_, mode_, generation, early, transaction);
  TableShape made, gone;
  const TableRefusal refusal = transaction.Commit(*socket_, [&](const nlmsghdr* message) {
    AddToShape(message, IsDeletion(message) ? gone : made);
  });
  if (refusal.error != 0) return RefusalStatus(refusal, transaction);
  gone.handle = made_->handle;
  See(gone);
  tallies_.FoldRemembered();
  for (const char* chain : kForgetfulChains) made_->chains[chain].rules = made.chains[chain].rules;
  if (early) {
    for (const TableChain& chain : EarlyChains()) made_->chains[chain.name].rules.clear();
  }
  generation_ = generation;
  slots_.clear();
  return absl::OkStatus();
}

absl::Status Table::AddSlot(const RememberedSlot& slot) {
  MutexLock lock(mutex_);
  if (!made_.has_value()) return absl::FailedPreconditionError("there is no table inet sluice");
  const auto any = [](const std::vector<RememberedSlot>& slots, auto&& is) {
    return std::any_of(slots.begin(), slots.end(), is);
  };
  const bool first = !any(slots_, [&](const RememberedSlot& other) {
    return other.kind.scope == slot.kind.scope && other.kind.accept == slot.kind.accept;
  });
  const bool first_refusal = !slot.kind.accept && !any(slots_, [](const RememberedSlot& other) {
    return !other.kind.accept;
  });
  TableTransaction transaction(socket_->ReserveSequence(TableTransaction::kMaxMessages));
  const bool first_source =
      first && !slot.kind.accept && slot.kind.scope == RememberedScope::kSource;
  // They look at connections, which would be tracked for them alone.
  const bool early = first_source && TracksConnections(options_);
  if (early) AddEarlyRefusals(options_.mark_mask, options_.exempt, transaction);
  AddRememberedSlot({.mark_mask = options_.mark_mask,
                     .connection_mark_mask = options_.connection_mark_mask,
                     .generation = generation_,
                     .early = TracksConnections(options_)},
                    slot, first, transaction);
  if (first_refusal) PutRefusalsFirst(options_, mode_, generation_, transaction);
  TableShape made, gone;
  const TableRefusal refusal = transaction.Commit(*socket_, [&](const nlmsghdr* message) {
    AddToShape(message, IsDeletion(message) ? gone : made);
  });
  if (refusal.error != 0) return RefusalStatus(refusal, transaction);
  if (first_refusal) {
    gone.handle = made_->handle;
    See(gone);
    tallies_.FoldPrepared();
    made_->chains[kPrepareChain].rules.clear();
  }
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
  const uint32_t generation =
      options_.connection_mark_mask == 0 ? 0 : GenerationMark(options_.connection_mark_mask, 0);
  TableShape made, gone;
  return Build(Intent::kCheck, TableMode::kOn, generation, made, gone);
}

absl::Status Table::StopAsking() {
  MutexLock lock(mutex_);
  for (const bool guard : {true, false}) {
    TableTransaction transaction(socket_->ReserveSequence(TableTransaction::kMaxMessages));
    sluice::agent::StopAsking(options_, guard, transaction);
    TableShape gone;
    const TableRefusal refusal = transaction.Commit(*socket_, [&](const nlmsghdr* message) {
      if (IsDeletion(message)) AddToShape(message, gone);
    });
    // Somebody took the table away; or the guard alone, and packets are asked about still.
    if (refusal.error == ENOENT) continue;
    if (refusal.error != 0) return RefusalStatus(refusal, transaction);
    // Rules do not say which table they are of but by its name.
    if (made_.has_value()) gone.handle = made_->handle;
    See(gone);
    break;
  }
  return absl::OkStatus();
}

absl::Status Table::Remove() {
  MutexLock lock(mutex_);
  TableTransaction transaction(socket_->ReserveSequence(TableTransaction::kMaxMessages));
  DeleteTable(transaction);
  TableShape gone;
  const TableRefusal refusal =
      transaction.Commit(*socket_, [&](const nlmsghdr* message) { AddToShape(message, gone); });
  if (refusal.error != 0 && refusal.error != ENOENT) return RefusalStatus(refusal, transaction);
  See(gone);
  tallies_.Fold();
  made_.reset();
  slots_.clear();
  return absl::OkStatus();
}

absl::StatusOr<TableCounters> Table::ReadCounters() {
  MutexLock lock(mutex_);
  if (made_.has_value()) {
    absl::StatusOr<std::optional<TableShape>> now = ReadTableShape(chains_, *socket_);
    if (!now.ok()) return now.status();
    if (now->has_value()) See(**now);
  }
  return tallies_.counters();
}

absl::StatusOr<bool> Table::Intact() {
  MutexLock lock(mutex_);
  return ReadIntact();
}

absl::StatusOr<bool> Table::ReadIntact() {
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
  const auto ask = (*now)->chains.find(kAskChain);
  const bool asks = ask != (*now)->chains.end() && !ask->second.rules.empty();
  return StateIn(asks ? ask->second.rules.back().comment : "");
}

std::optional<QueueExpression> Table::queue_expression() const {
  MutexLock lock(mutex_);
  return queue_expression_;
}

void Table::See(const TableShape& now) {
  if (made_.has_value()) tallies_.See(now, *made_);
}

}  // namespace sluice::agent
