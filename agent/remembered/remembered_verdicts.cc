#include "agent/remembered/remembered_verdicts.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "agent/netfilter/table/connection_marks.h"
#include "proto/text/text.h"

namespace sluice::agent {
namespace {

// If the kernel refuses to forget: how long to wait before trying again.
constexpr std::chrono::seconds kRetry(1);

}  // namespace

RememberedVerdicts::RememberedVerdicts(RememberingTable* table, uint32_t connection_mark_mask,
                                       MarkPool::Sweep sweep)
    : table_(table),
      connection_mark_mask_(connection_mark_mask),
      marks_(connection_mark_mask, std::move(sweep)) {}

RememberedVerdicts::~RememberedVerdicts() { Stop(); }

void RememberedVerdicts::Start(std::vector<RememberingQueue*> queues) {
  queues_ = std::move(queues);
  thread_ = std::thread([this] { Run(); });
}

void RememberedVerdicts::Stop() {
  {
    MutexLock lock(requests_mutex_);
    stop_ = true;
  }
  requested_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void RememberedVerdicts::WantSlot(uint64_t generation, const RememberedKind& kind) {
  {
    MutexLock lock(requests_mutex_);
    if (stop_) return;
    wanted_.push_back({.generation = generation, .kind = kind});
  }
  requested_.notify_all();
}

void RememberedVerdicts::PolicyIs(const std::string& token, const std::string& label) {
  {
    MutexLock lock(requests_mutex_);
    if (stop_) return;
    policy_ = {token, label.empty() ? token : label};
  }
  requested_.notify_all();
}

void RememberedVerdicts::Run() {
  while (true) {
    std::optional<PolicyName> policy;
    std::optional<Wanted> wanted;
    {
      MutexLock lock(requests_mutex_);
      const auto ready = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return stop_ || policy_ || !wanted_.empty();
      };
      lock.Wait(requested_, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return retry_ || ready(); });
      if (!ready()) lock.WaitFor(requested_, kRetry, ready);
      if (stop_) return;
      if (policy_) {
        policy.swap(policy_);
      } else if (!wanted_.empty()) {
        wanted = wanted_.front();
        wanted_.pop_front();
      }
    }
    if (policy) {
      SetPolicy(*policy);
    } else if (wanted) {
      AddSlot(wanted->generation, wanted->kind);
    } else {
      ForgetAgain();
    }
  }
}

void RememberedVerdicts::StopLoops() {
  for (RememberingQueue* queue : queues_) queue->StopRemembering();
}

void RememberedVerdicts::StartLoops() {
  if (!remembers_ || !has_policy_ || doubtful_) return;
  for (RememberingQueue* queue : queues_) queue->StartRemembering(now_);
}

void RememberedVerdicts::BeginGeneration() {
  ++now_.generation;
  now_.slots.clear();
  next_accept_slot_ = kEnteredConnectionSlot + 1;
  next_drop_slot_ = kFirstDropSlot;
  marks_.Begin();
  if (!remembers_) return;
  for (const DevicePair& devices : devices_) {
    if (!GiveSlot({.accept = true, .scope = RememberedScope::kConnection, .devices = devices})) {
      return;
    }
  }
}

// False if there was no slot, or the table did not take it.
bool RememberedVerdicts::GiveSlot(const RememberedKind& kind) {
  RememberedSlot slot = FreeSlot(kind);
  if (slot.number != 0) {
    if (const absl::Status status = table_->AddSlot(slot); !status.ok()) {
      spdlog::error("verdicts of a kind cannot be remembered: {}", std::string(status.message()));
      slot = {.kind = kind};
    }
  }
  now_.slots.push_back(slot);
  return slot.number != 0;
}

absl::Status RememberedVerdicts::Install(TableState state) {
  MutexLock lock(mutex_);
  StopLoops();
  absl::Status status = table_->Install(state);
  if (status.ok()) {
    remembers_ = state.mode == TableMode::kOn;
    if (installed_) ++forgotten_;
    installed_ = state;
    Forgotten();
    BeginGeneration();
    StartLoops();
  } else if (remembers_) {
    // If the table is as it was, so is what it remembers; but it is not known for sure which slots
    // it has. So nothing is added to it, and everything is forgotten as soon as the kernel does
    // that.
    doubtful_ = true;
    ForgetLater();
  }
  marks_.Prepare();
  return status;
}

absl::Status RememberedVerdicts::End(absl::Status (RememberingTable::*change)()) {
  MutexLock lock(mutex_);
  StopLoops();
  if (absl::Status status = (table_->*change)(); !status.ok()) {
    // The table is as it was, and so is what it remembers, until the next policy has it forgotten.
    StartLoops();
    return status;
  }
  remembers_ = false;
  installed_.reset();
  return absl::OkStatus();
}

absl::Status RememberedVerdicts::StopAsking() { return End(&RememberingTable::StopAsking); }

absl::Status RememberedVerdicts::Remove() { return End(&RememberingTable::Remove); }

void RememberedVerdicts::ForgetLater() {
  {
    MutexLock lock(requests_mutex_);
    retry_ = true;
  }
  requested_.notify_all();
}

absl::Status RememberedVerdicts::Forget() {
  StopLoops();
  absl::Status status = doubtful_ ? absl::UnknownError("the table is in doubt") : table_->Forget();
  // Somebody may have changed the table, for instance.
  if (!status.ok() && installed_) status = table_->Install(*installed_);
  if (!status.ok()) {
    spdlog::error("what is remembered cannot be forgotten: {}", std::string(status.message()));
    doubtful_ = true;
    ForgetLater();
    return status;
  }
  Forgotten();
  ++forgotten_;
  BeginGeneration();
  StartLoops();
  marks_.Prepare();
  return status;
}

void RememberedVerdicts::Forgotten() {
  doubtful_ = false;
  MutexLock lock(requests_mutex_);
  retry_ = false;
}

void RememberedVerdicts::ForgetAgain() {
  MutexLock lock(mutex_);
  // Not if it was done meanwhile, by an Install for one.
  if (remembers_ && doubtful_) {
    Forget().IgnoreError();
  } else {
    MutexLock requests_lock(requests_mutex_);
    retry_ = false;
  }
}

void RememberedVerdicts::SetPolicy(const PolicyName& policy) {
  MutexLock lock(mutex_);
  const bool changed = has_policy_ && now_.policy_token != policy.token;
  now_.policy_token = policy.token;
  has_policy_ = true;
  if (!changed || !remembers_) return StartLoops();
  if (!Forget().ok()) return;
  if (const auto left_out = lines_.Allow(std::chrono::steady_clock::now())) {
    spdlog::info("policy {}: what was remembered is forgotten{}", OneLine(policy.label, 64),
                 *left_out);
  }
}

void RememberedVerdicts::AddSlot(uint64_t generation, const RememberedKind& kind) {
  MutexLock lock(mutex_);
  if (!remembers_ || doubtful_ || generation != now_.generation)
    return;  // All was forgotten since, or soon is.
  if (std::any_of(now_.slots.begin(), now_.slots.end(),
                  [&](const RememberedSlot& slot) { return slot.kind == kind; })) {
    return;  // Another loop was first.
  }
  const bool given = GiveSlot(kind);
  if (given && kind.accept && kind.scope == RememberedScope::kConnection) {
    std::erase(devices_, kind.devices);
    devices_.push_back(kind.devices);
    if (devices_.size() > kMostDevices) devices_.pop_front();
  }
  StartLoops();
}

RememberedSlot RememberedVerdicts::FreeSlot(const RememberedKind& kind) {
  RememberedSlot slot{.kind = kind};
  if (kind.accept && kind.scope == RememberedScope::kConnection) {
    if (connection_mark_mask_ == 0) return slot;
    slot.connection_mark = marks_.Give();
    slot.number = slot.connection_mark != 0 ? kConnectionSlot : kEnteredConnectionSlot;
    return slot;
  }
  uint32_t& next = kind.accept ? next_accept_slot_ : next_drop_slot_;
  if (next < (kind.accept ? kAcceptSlots : kDropCodes)) slot.number = next++;
  return slot;
}

absl::StatusOr<std::vector<RememberedEntry>> RememberedVerdicts::List(size_t limit) {
  std::vector<uint32_t> marks;
  {
    MutexLock lock(mutex_);
    if (!remembers_) return std::vector<RememberedEntry>();
    marks = marks_.given();
  }
  // Listing connections takes no lock, so that policies do not wait for it: it takes a second where
  // there are hundreds of thousands. They do wait for the sets, which the table's lock guards.
  std::vector<RememberedEntry> entries;
  if (!marks.empty()) {
    auto connections = ListMarked(connection_mark_mask_, marks, limit);
    if (!connections.ok()) return connections.status();
    entries = *std::move(connections);
  }
  if (limit != 0 && entries.size() >= limit) return entries;
  auto others = table_->ReadRemembered(limit == 0 ? 0 : limit - entries.size());
  if (!others.ok()) return others.status();
  entries.insert(entries.end(), std::make_move_iterator(others->begin()),
                 std::make_move_iterator(others->end()));
  return entries;
}

absl::StatusOr<uint64_t> RememberedVerdicts::ForgetAll() {
  const auto entries = List(0);
  MutexLock lock(mutex_);
  if (!remembers_) return 0;
  if (absl::Status status = Forget(); !status.ok()) return status;
  return entries.ok() ? entries->size() : 0;
}

v1::RememberedStats RememberedVerdicts::Stats(const TableCounters& counters) {
  uint64_t unslotted = 0;
  for (RememberingQueue* queue : queues_) unslotted += queue->unslotted();
  v1::RememberedStats stats;
  stats.set_accepted_connection(counters.accepted_connection);
  stats.set_accepted_address(counters.accepted_address);
  stats.set_dropped_connection(counters.dropped_connection);
  stats.set_dropped_address(counters.dropped_address);
  stats.set_saved(counters.entered + unslotted);
  stats.set_no_room(counters.entered - counters.kept + unslotted);
  stats.set_wiped(counters.wiped);
  MutexLock lock(mutex_);
  stats.set_forgotten(forgotten_);
  if (const auto entries = table_->CountRemembered(); entries.ok()) stats.set_entries(*entries);
  return stats;
}

}  // namespace sluice::agent
