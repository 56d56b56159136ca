// The part of PolicyStore that deals with names: those of kept policies, and those that cannot be
// looked up.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/text/text.h"
#include "server/policies/policy_store.h"

namespace sluice::server {
namespace {

// Answers as if DNS had not answered.
policy::LookedUp Unanswered(const policy::NameSet& wanted) {
  const absl::Status status = absl::UnavailableError("not looked up, as others cannot be now");
  policy::LookedUp answers;
  for (const std::string& name : wanted.hosts) answers.hosts.emplace(name, status);
  for (const std::string& name : wanted.networks) answers.networks.emplace(name, status);
  return answers;
}

// Joins the texts; of many only the first few, to keep the line readable.
std::string Joined(const std::vector<std::string>& texts) {
  constexpr size_t kMost = 4;
  std::string text = absl::StrJoin(
      texts.begin(), texts.begin() + static_cast<ptrdiff_t>(std::min(texts.size(), kMost)), "; ");
  if (texts.size() > kMost) absl::StrAppend(&text, "; and ", texts.size() - kMost, " more");
  return text;
}

}  // namespace

std::string FirstProblem(const RuleSet::Compiled& compiled) {
  if (compiled.problems.empty()) return std::string(compiled.status.message());
  const v1::PolicyProblem& first = compiled.problems.front();
  return absl::StrCat(first.line(), ":", first.column(), ": ", first.message());
}

RuleSet::Compiled PolicyStore::CompileKept(const PolicyRecord& record, bool ask) {
  const absl::StatusOr<policy::NameMeanings> kept = history_.Names(record.version);
  if (!kept.ok()) {
    spdlog::warn("{}; its names are looked up anew", std::string(kept.status().message()));
  }
  policy::LookedUp names = policy::LookedUp::Of(kept.ok() ? *kept : policy::NameMeanings());
  names.Outdate("not looked up since this server started");
  bool asked = false;
  while (true) {
    const std::unique_ptr<policy::Names> local = names_source_();
    policy::AnsweredNames answered(&names, local.get());
    // Without a memory limit: the policy fitted before, and an older one must not replace it for
    // lack of memory.
    RuleSet::Compiled compiled = RuleSet::Compile(record.text, answered);
    if (compiled.wanted.empty()) {
      if (asked && compiled.rules != nullptr) KeepNames(record.version, compiled.rules->names());
      return compiled;
    }
    policy::LookedUp found =
        ask ? policy::LookUp(compiled.wanted, *local) : Unanswered(compiled.wanted);
    if (found.unanswered()) found.UseFormer(FormerNames());
    names.Add(std::move(found));
    asked = true;
  }
}

policy::NameMeanings PolicyStore::FormerNames() const {
  policy::NameMeanings former;
  if (const std::shared_ptr<const Policy> current = Current(); current != nullptr) {
    former = current->rules->names();
  }
  former.Add(history_.AllNames());
  return former;
}

void PolicyStore::KeepNames(uint64_t version, const policy::NameMeanings& names) {
  if (const absl::Status status = history_.KeepNames(version, names); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
  }
}

policy::LookedUp PolicyStore::LookUp(const policy::NameSet& wanted) const {
  policy::LookedUp found = policy::LookUp(wanted, *names_source_());
  if (!found.unanswered()) return found;
  MutexLock lock(change_mutex_);
  found.UseFormer(FormerNames());
  return found;
}

void PolicyStore::ApplyOnceKnown(v1::PolicyText text, std::string author) {
  MutexLock lock(change_mutex_);
  if (waiting_) {
    // The kept version that waits may be the same policy, from the last run.
    v1::PolicyText waits = waiting_->record.text;
    waits.set_source(text.source());
    if (waits.SerializeAsString() == text.SerializeAsString()) return;
  }
  waiting_ = {{.text = std::move(text), .author = std::move(author)}, Current()->version, ""};
}

absl::Status PolicyStore::AllKnown() const {
  MutexLock lock(change_mutex_);
  if (!waiting_) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("policy ", waiting_->record.version, " waits for its names: ", waiting_->why));
}

bool PolicyStore::RefreshNames(WallTime now) {
  std::optional<Waiting> waiting;
  {
    MutexLock lock(change_mutex_);
    // While another policy is still to be confirmed, the waiting one is left: the other may come to
    // stay.
    if (waiting_ && waiting_->over == Current()->version) waiting = waiting_;
  }
  const bool still_waits = waiting && RefreshWaiting(*waiting, now);
  const std::shared_ptr<const Policy> current = Current();
  const bool still_outdated = !current->outdated.empty() && RefreshOutdated(*current);
  return still_waits || still_outdated;
}

bool PolicyStore::RefreshWaiting(const Waiting& waiting, WallTime now) {
  const v1::PolicyText& text = waiting.record.text;
  RuleSet::Compiled compiled =
      Asking([&](const policy::LookedUp& names) { return CompileAnyCost(text, names); });
  if (compiled.rules == nullptr && !absl::IsInvalidArgument(compiled.status)) return true;
  MutexLock lock(change_mutex_);
  if (!waiting_ || waiting_->record.version != waiting.record.version ||
      Current()->version != waiting.over) {
    return false;  // The policy was changed meanwhile.
  }
  waiting_.reset();
  if (compiled.rules == nullptr) {
    spdlog::error(
        "the policy that waited for its names, from {}, is not well-formed: {}; policy {} "
        "still decides",
        OneLine(text.source(), 256), FirstProblem(compiled), waiting.over);
    return false;
  }
  if (waiting.record.version == 0) {
    Make(text, std::move(compiled), now, {.author = waiting.record.author, .even_unkept = true});
  } else {
    KeepNames(waiting.record.version, compiled.rules->names());
    Set({waiting.record, std::move(compiled.rules), std::nullopt, 0, std::move(compiled.outdated)});
  }
  const std::shared_ptr<const Policy> current = Current();
  spdlog::info("policy {} decides, now that its names are known: {} rules from {}",
               current->version, current->rules->size(), OneLine(text.source(), 256));
  TellOfOutdated(*current);
  // Begin has left reverting to this.
  if (!history_.List(1).front().confirmed) Revert(now);
  return false;
}

bool PolicyStore::RefreshOutdated(const Policy& before) {
  const policy::NameMeanings& known = before.rules->names();
  policy::NameSet wanted;
  for (const auto& [name, why] : before.outdated) {
    if (known.hosts.contains(name)) wanted.hosts.insert(name);
    if (known.networks.contains(name)) wanted.networks.insert(name);
  }
  const std::unique_ptr<policy::Names> names = names_source_();
  policy::RenewedNames renewed = policy::Renew(known, policy::LookUp(wanted, *names));
  std::shared_ptr<const RuleSet> rules = before.rules;
  if (!renewed.changed.empty()) {
    const RuleSet::Compiled compiled =
        RuleSet::Renamed(before.text, *before.rules, renewed.meanings, *names, FreeMemory());
    rules = compiled.rules;
    for (const std::string& name : renewed.changed) {
      if (rules == nullptr) renewed.outdated[name] = FirstProblem(compiled);
    }
  }
  MutexLock lock(change_mutex_);
  Policy policy = *Current();
  if (policy.rules != before.rules) return true;  // Another policy was applied meanwhile.
  const bool means_others = rules != nullptr && rules != before.rules;
  if (!means_others && renewed.outdated == policy.outdated) return true;
  policy.outdated = std::move(renewed.outdated);
  if (means_others) {
    policy.rules = std::move(rules);
    ++policy.revision;
    KeepNames(policy.version, renewed.meanings);
    spdlog::info("policy {}: names have changed their meaning: {}", policy.version,
                 Joined(renewed.changed));
  }
  const bool again = !policy.outdated.empty();
  if (!again && !told_.empty()) {
    spdlog::info("policy {}: its names can be looked up again", policy.version);
  }
  TellOfOutdated(policy);
  Set(std::move(policy));
  return again;
}

void PolicyStore::TellOfOutdated(const Policy& policy) {
  std::vector<std::string> reasons;
  for (const auto& [name, why] : policy.outdated) reasons.push_back(why);
  std::string text = Joined(reasons);
  if (text == told_) return;
  told_ = std::move(text);
  if (!told_.empty()) spdlog::warn("policy {}: {}", policy.version, told_);
}

}  // namespace sluice::server
