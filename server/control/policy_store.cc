#include "server/control/policy_store.h"

#include <google/protobuf/util/time_util.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace sluice::server {
namespace {

// Who applies what the server does of its own accord.
constexpr char kServer[] = "sluice-server";

// For people, with its author and time.
std::string Describe(const PolicyRecord& policy) {
  if (policy.version == 0) return "version 0, the built-in one";
  return absl::StrCat("version ", policy.version, ", applied by ",
                      policy.author.empty() ? "somebody" : Shown(policy.author), " at ",
                      absl::FormatTime("%Y-%m-%d %H:%M:%S %z", absl::FromChrono(policy.applied),
                                       absl::LocalTimeZone()),
                      " from ", Shown(policy.text.source()));
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

PolicyStore::PolicyStore(WallTime now, std::unique_ptr<PolicyArchive> archive)
    : history_(std::move(archive)) {
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
      spdlog::error("{}; the policy before it is taken", std::string(record.status().message()));
      continue;
    }
    RuleSet::Compiled compiled = RuleSet::Compile(record->text);
    if (compiled.rules == nullptr) {
      spdlog::error("policy {} is well-formed no longer: {}:{}: {}; the one before it is taken",
                    record->version, compiled.problems.front().line(),
                    compiled.problems.front().column(), compiled.problems.front().message());
      continue;
    }
    Policy policy{*std::move(record), std::move(compiled.rules), std::nullopt};
    if (policy.version == 0) policy.applied = now;
    Set(std::move(policy));
    break;
  }
  if (!versions.front().confirmed) {
    spdlog::warn("policy {} was still to be confirmed when this server ended",
                 versions.front().version);
    Revert(now);
  }
}

std::shared_ptr<const Policy> PolicyStore::Current() const {
  MutexLock lock(mutex_);
  return current_;
}

PolicyStore::Applied PolicyStore::Apply(v1::PolicyText text, WallTime now, const Change& change) {
  // Twice: before the work, and when nobody else can change it any more.
  if (absl::Status status = CheckVersion(change); !status.ok()) return {.status = status};
  RuleSet::Compiled compiled = RuleSet::Compile(text);
  Applied applied{.problems = std::move(compiled.problems),
                  .warnings = std::move(compiled.warnings)};
  if (compiled.rules == nullptr) {
    applied.status = absl::InvalidArgumentError("the policy is not well-formed");
    return applied;
  }
  MutexLock lock(change_mutex_);
  applied.status = CheckVersion(change);
  if (!applied.status.ok()) return applied;
  PolicyRecord record{.version = history_.next(),
                      .text = std::move(text),
                      .author = change.author,
                      .applied = now,
                      .rule_count = static_cast<uint32_t>(compiled.rules->size()),
                      .confirmed = !change.confirm_by};
  std::shared_ptr<const Policy> previous = Current();
  applied.status = history_.Add(record, previous->version);
  if (!applied.status.ok()) return applied;
  applied.previous = std::move(previous);
  Set({std::move(record), std::move(compiled.rules), change.confirm_by});
  applied.current = Current();
  return applied;
}

PolicyStore::Applied PolicyStore::Rollback(std::optional<uint64_t> version, WallTime now,
                                           const Change& change) {
  absl::StatusOr<PolicyRecord> record = [&] {
    MutexLock lock(change_mutex_);
    return version ? history_.Get(*version) : history_.Before(Current()->version);
  }();
  if (!record.ok()) return {.status = record.status()};
  return Apply(std::move(record->text), now, change);
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
    RuleSet::Reloaded reloaded = RuleSet::Reload(before->text, *before->rules);
    if (reloaded.rules == nullptr) return reloaded;
    MutexLock lock(change_mutex_);
    Policy policy = *Current();
    // Another one was applied meanwhile.
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

void PolicyStore::Revert(WallTime now) {
  const uint64_t from = confirmed_->version;
  Policy policy = *confirmed_;
  policy.version = history_.next();
  policy.author = kServer;
  policy.applied = now;
  if (absl::Status status = history_.Add(policy, policy.version); !status.ok()) {
    spdlog::error("{}; it is in force all the same, until this server ends",
                  std::string(status.message()));
    history_.Skip();
  }
  spdlog::warn("policy {} is {} again: {} rules from {}", policy.version, from,
               policy.rules->size(), Shown(policy.text.source()));
  Set(std::move(policy));
}

void PolicyStore::Set(Policy policy) {
  auto made = std::make_shared<const Policy>(std::move(policy));
  if (made->confirmed) confirmed_ = made;
  MutexLock lock(mutex_);
  current_ = std::move(made);
}

}  // namespace sluice::server
