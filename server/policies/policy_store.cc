#include "server/policies/policy_store.h"

#include <google/protobuf/util/time_util.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proto/text/text.h"

namespace sluice::server {
namespace {

// The author of changes that the server makes on its own.
constexpr char kServer[] = "sluice-server";

// An operator who waits longer for `policy apply` thinks that it hangs.
constexpr std::chrono::seconds kLookupTime{10};

PolicyStore::NamesSource System(const std::string& set_dir) {
  return [set_dir] {
    return std::make_unique<policy::SystemNames>(std::chrono::steady_clock::now() + kLookupTime,
                                                 set_dir);
  };
}

// Describes a version for people, with its author and time.
std::string Describe(const PolicyRecord& policy) {
  if (policy.version == 0) return "version 0, the built-in one";
  return absl::StrCat("version ", policy.version, ", applied by ",
                      policy.author.empty() ? "somebody" : OneLine(policy.author, 256), " at ",
                      absl::FormatTime("%Y-%m-%d %H:%M:%S %z", absl::FromChrono(policy.applied),
                                       absl::LocalTimeZone()),
                      " from ", OneLine(policy.text.source(), 256));
}

// Makes a policy that costs a packet too much one that has a problem.
void RefuseCostly(RuleSet::Compiled* compiled) {
  if (!compiled->too_costly) return;
  compiled->rules.reset();
  compiled->problems.push_back(*std::move(compiled->too_costly));
  compiled->too_costly.reset();
  compiled->status = absl::InvalidArgumentError("the policy costs a packet too much");
}

}  // namespace

v1::Policy Policy::ToProto(std::chrono::steady_clock::time_point now) const {
  v1::Policy policy = PolicyRecord::ToProto();
  if (reverts_at) {
    *policy.mutable_reverts_in() = google::protobuf::util::TimeUtil::NanosecondsToDuration(
        std::chrono::nanoseconds(
            std::max(*reverts_at - now, std::chrono::steady_clock::duration::zero()))
            .count());
  }
  return policy;
}

PolicyStore::PolicyStore(WallTime now, std::unique_ptr<PolicyArchive> archive, std::string set_dir,
                         NamesSource names)
    : set_dir_(std::move(set_dir)),
      names_source_(names ? std::move(names) : System(set_dir_)),
      history_(std::move(archive)) {
  MutexLock lock(change_mutex_);
  Begin(now);
}

void PolicyStore::Begin(WallTime now) {
  for (const std::string& remark : history_.remarks()) spdlog::warn("{}; left alone", remark);
  const std::vector<PolicyRecord> versions = history_.List(std::numeric_limits<size_t>::max());
  for (const PolicyRecord& version : versions) {
    if (!version.confirmed) continue;
    absl::StatusOr<PolicyRecord> record = history_.Get(version.version);
    if (!record.ok()) {
      spdlog::error("{}; using the policy before it", std::string(record.status().message()));
      continue;
    }
    // If DNS did not answer for a newer version, it is not waited for again.
    RuleSet::Compiled compiled = CompileKept(*record, /*ask=*/!waiting_);
    if (absl::IsUnavailable(compiled.status)) {
      spdlog::error("policy {} cannot decide until its names are known: {}", record->version,
                    FirstProblem(compiled));
      if (!waiting_) waiting_ = {*std::move(record), 0, FirstProblem(compiled)};
      continue;
    }
    if (compiled.rules == nullptr) {
      spdlog::error("policy {} is no longer well-formed: {}; using the one before it",
                    record->version, FirstProblem(compiled));
      continue;
    }
    Policy policy{*std::move(record), std::move(compiled.rules), std::nullopt, 0,
                  std::move(compiled.outdated)};
    if (policy.version == 0) policy.applied = now;
    if (!policy.outdated.empty()) {
      spdlog::info("policy {}: until they are looked up, {} of its names mean what they meant last",
                   policy.version, policy.outdated.size());
    }
    if (compiled.too_costly) {
      spdlog::warn("policy {}: {}:{}: {}", policy.version, compiled.too_costly->line(),
                   compiled.too_costly->column(), compiled.too_costly->message());
    }
    Set(std::move(policy));
    break;
  }
  if (waiting_) {
    waiting_->over = Current()->version;
    spdlog::warn("policy {} decides until policy {} can", waiting_->over, waiting_->record.version);
  } else if (!versions.front().confirmed) {
    spdlog::warn("policy {} was still to be confirmed when this server ended",
                 versions.front().version);
    Revert(now);
  }
}

RuleSet::Compiled PolicyStore::Compile(const v1::PolicyText& text,
                                       const policy::LookedUp& names) const {
  RuleSet::Compiled compiled = CompileAnyCost(text, names);
  RefuseCostly(&compiled);
  return compiled;
}

RuleSet::Compiled PolicyStore::CompileAnyCost(const v1::PolicyText& text,
                                              const policy::LookedUp& names) const {
  const std::unique_ptr<policy::Names> local = LocalNames();
  policy::AnsweredNames answered(&names, local.get());
  return RuleSet::Compile(text, answered, FreeMemory());
}

std::shared_ptr<const Policy> PolicyStore::Current() const {
  MutexLock lock(mutex_);
  return current_;
}

PolicyStore::Applied PolicyStore::Apply(v1::PolicyText text, const policy::LookedUp& names,
                                        WallTime now, const Change& change) {
  // Checked twice: before the work, and in Make, when nobody else can change the policy any more.
  if (absl::Status status = CheckVersion(change); !status.ok()) return {.status = status};
  RuleSet::Compiled compiled = CompileAnyCost(text, names);
  if (!change.any_cost) RefuseCostly(&compiled);
  MutexLock lock(change_mutex_);
  return Make(std::move(text), std::move(compiled), now, change);
}

PolicyStore::Applied PolicyStore::Make(v1::PolicyText text, RuleSet::Compiled compiled,
                                       WallTime now, const Change& change) {
  Applied applied{.status = compiled.status,
                  .problems = std::move(compiled.problems),
                  .warnings = std::move(compiled.warnings),
                  .wanted = std::move(compiled.wanted)};
  if (compiled.too_costly) applied.warnings.push_back(*std::move(compiled.too_costly));
  if (applied.status.ok()) applied.status = CheckVersion(change);
  if (applied.status.ok() && change.abandoned && change.abandoned()) {
    applied.status = absl::DeadlineExceededError(
        "nobody waited any more when the policy was compiled; nothing was changed");
  }
  if (!applied.status.ok()) return applied;
  PolicyRecord record{.version = history_.next(),
                      .text = std::move(text),
                      .author = change.author,
                      .applied = now,
                      .rule_count = static_cast<uint32_t>(compiled.rules->size()),
                      .confirmed = !change.confirm_by};
  std::shared_ptr<const Policy> previous = Current();
  const policy::NameMeanings& names = compiled.rules->names();
  if (change.even_unkept) {
    AddOrSkip(record, names, previous->version);
  } else if (applied.status = history_.Add(record, names, previous->version);
             !applied.status.ok()) {
    return applied;
  }
  applied.previous = std::move(previous);
  if (record.confirmed) waiting_.reset();
  Set({std::move(record), std::move(compiled.rules), change.confirm_by, 0,
       std::move(compiled.outdated)});
  applied.current = Current();
  TellOfOutdated(*applied.current);
  return applied;
}

PolicyStore::Applied PolicyStore::Rollback(std::optional<uint64_t> version,
                                           const policy::LookedUp& names, WallTime now,
                                           const Change& change) {
  absl::StatusOr<PolicyRecord> record = [&] {
    MutexLock lock(change_mutex_);
    return version ? history_.Get(*version) : history_.ConfirmedBefore(Current()->version);
  }();
  if (!record.ok()) return {.status = record.status()};
  Change any_cost = change;
  any_cost.any_cost = true;
  Applied applied = Apply(std::move(record->text), names, now, any_cost);
  applied.restored = record->version;
  return applied;
}

absl::Status PolicyStore::Confirm(uint64_t version) {
  MutexLock lock(change_mutex_);
  Policy policy = *Current();
  if (policy.version != version) {
    return absl::AbortedError(absl::StrCat("the policy now is ", Describe(policy), ", not version ",
                                           version, "; nothing was confirmed"));
  }
  if (policy.confirmed) {
    return absl::FailedPreconditionError(absl::StrCat("policy ", version, " stays anyway"));
  }
  if (absl::Status status = history_.Confirm(version); !status.ok()) return status;
  policy.confirmed = true;
  policy.reverts_at.reset();
  waiting_.reset();
  Set(std::move(policy));
  return absl::OkStatus();
}

bool PolicyStore::RevertIfDue(Time now, WallTime wall_now) {
  const auto due = [&] {
    const std::shared_ptr<const Policy> current = Current();
    return current->reverts_at && *current->reverts_at <= now;
  };
  if (!due()) return false;
  MutexLock lock(change_mutex_);
  if (!due()) return false;
  spdlog::warn("policy {} was not confirmed in time", Current()->version);
  Revert(wall_now);
  return true;
}

RuleSet::Reloaded PolicyStore::ReloadSets() {
  while (true) {
    const std::shared_ptr<const Policy> before = Current();
    RuleSet::Reloaded reloaded =
        RuleSet::Reload(before->text, *before->rules, *LocalNames(), FreeMemory());
    if (reloaded.rules == nullptr) return reloaded;
    MutexLock lock(change_mutex_);
    Policy policy = *Current();
    // Another policy was applied meanwhile.
    if (policy.rules != before->rules) continue;
    policy.rules = reloaded.rules;
    ++policy.revision;
    Set(std::move(policy));
    return reloaded;
  }
}

absl::StatusOr<PolicyRecord> PolicyStore::Get(uint64_t version) const {
  MutexLock lock(change_mutex_);
  return history_.Get(version);
}

std::vector<PolicyRecord> PolicyStore::List(size_t limit) const {
  MutexLock lock(change_mutex_);
  return history_.List(limit);
}

absl::Status PolicyStore::CheckVersion(const Change& change) const {
  const std::shared_ptr<const Policy> current = Current();
  if (!change.if_version || *change.if_version == current->version) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("the policy now is ", Describe(*current), ", not version ",
                                         *change.if_version, "; nothing was changed"));
}

void PolicyStore::AddOrSkip(const PolicyRecord& policy, const policy::NameMeanings& names,
                            uint64_t in_force) {
  const absl::Status status = history_.Add(policy, names, in_force);
  if (status.ok()) return;
  spdlog::error("{}; it is in force all the same, until this server ends",
                std::string(status.message()));
  history_.Skip();
}

void PolicyStore::Revert(WallTime now) {
  const uint64_t from = confirmed_->version;
  Policy policy = *confirmed_;
  policy.version = history_.next();
  policy.author = kServer;
  policy.applied = now;
  AddOrSkip(policy, policy.rules->names(), policy.version);
  // A policy that waits for its names still does; it will get the newest number.
  if (waiting_) {
    waiting_->record.version = 0;
    waiting_->over = policy.version;
  }
  spdlog::warn("policy {} is {} again: {} rules from {}", policy.version, from,
               policy.rules->size(), OneLine(policy.text.source(), 256));
  Set(std::move(policy));
}

void PolicyStore::Set(Policy policy) {
  auto made = std::make_shared<const Policy>(std::move(policy));
  if (made->confirmed) confirmed_ = made;
  MutexLock lock(mutex_);
  current_ = std::move(made);
}

}  // namespace sluice::server
