#include "server/policy/rule_set.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/policy/advice/cost.h"
#include "server/policy/advice/rule_name.h"
#include "server/policy/advice/warnings.h"
#include "server/policy/checker/checker.h"
#include "server/policy/checker/names.h"
#include "server/policy/language/parser.h"
#include "server/policy/language/syntax.h"
#include "server/policy/policy_proto.h"
#include "server/policy/terms/problems.h"

namespace sluice::server {
namespace {

v1::Notify ToProto(policy::Notify notify) {
  switch (notify) {
    case policy::Notify::kNone:
      break;
    case policy::Notify::kHostUnreachable:
      return v1::NOTIFY_HOST_UNREACHABLE;
    case policy::Notify::kAdminProhibited:
      return v1::NOTIFY_ADMIN_PROHIBITED;
    case policy::Notify::kPortUnreachable:
      return v1::NOTIFY_PORT_UNREACHABLE;
    case policy::Notify::kTcpReset:
      return v1::NOTIFY_TCP_RESET;
  }
  return v1::NOTIFY_UNSPECIFIED;
}

v1::Scope ToProto(policy::Scope scope) {
  switch (scope) {
    case policy::Scope::kPacket:
      break;
    case policy::Scope::kConnection:
      return v1::SCOPE_CONNECTION;
    case policy::Scope::kPeer:
      return v1::SCOPE_PEER;
    case policy::Scope::kSource:
      return v1::SCOPE_SOURCE;
  }
  return v1::SCOPE_PACKET;
}

void AddScope(const policy::CheckedRule& rule, const std::vector<std::string>& files,
              std::vector<ScopeUse>& scopes) {
  const v1::Scope scope = ToProto(rule.decision.scope);
  const auto used = std::any_of(scopes.begin(), scopes.end(),
                                [scope](const ScopeUse& use) { return use.scope == scope; });
  if (scope != v1::SCOPE_PACKET && !used) {
    scopes.push_back({scope, rule.place, files[rule.place.file]});
  }
}

// RESOURCE_EXHAUSTED: compiling takes more memory than is free. Reading may have stopped early, so
// the message estimates the need from the number of statements.
absl::Status Fits(uint64_t needed, uint64_t free_memory, const v1::PolicyText& policy) {
  if (needed <= free_memory) return absl::OkStatus();
  auto statements = std::count(policy.text().begin(), policy.text().end(), ';');
  for (const v1::PolicyFile& file : policy.files()) {
    statements += std::count(file.text().begin(), file.text().end(), ';');
  }
  const uint64_t all = static_cast<uint64_t>(statements) * policy::kBytesPerRule;
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  return absl::ResourceExhaustedError(
      absl::StrCat("compiling this policy takes some ", (std::max(needed, all) + kMiB - 1) / kMiB,
                   " MiB of memory, and ", free_memory / kMiB, " MiB are free here"));
}

Ruling Rule(const policy::Decision& decision, uint32_t rule, std::string_view reason) {
  return {.action = decision.accept ? v1::ACTION_ACCEPT : v1::ACTION_DROP,
          .notify = ToProto(decision.notify),
          .rule = rule,
          .log = decision.log,
          .reason = reason,
          .scope = ToProto(decision.scope),
          .lifetime = decision.lifetime,
          .ask = decision.ask ? &*decision.ask : nullptr};
}

}  // namespace

RuleSet::RuleSet(const policy::CheckedPolicy& policy, policy::KnownNames names)
    : classifier_(policy.rules),
      names_(std::move(names)),
      fallback_(policy.fallback),
      deciders_(policy.deciders) {
  verdicts_.reserve(policy.rules.size());
  for (const policy::CheckedRule& rule : policy.rules) {
    verdicts_.push_back(
        {rule.decision, policy::RuleName(verdicts_.size() + 1, rule, policy.files)});
    AddScope(rule, policy.files, scopes_);
  }
}

RuleSet::Compiled RuleSet::Compile(std::string_view text) {
  policy::SystemNames names(std::chrono::steady_clock::time_point::max());
  return Compile(text, names);
}

RuleSet::Compiled RuleSet::Compile(std::string_view text, policy::Names& names) {
  v1::PolicyText policy;
  policy.set_text(text.data(), text.size());
  return Compile(policy, names);
}

RuleSet::Compiled RuleSet::Compile(const v1::PolicyText& policy, policy::Names& names,
                                   uint64_t free_memory) {
  return Compile(policy, names, free_memory, policy::KnownNames());
}

RuleSet::Reloaded RuleSet::Reload(const v1::PolicyText& policy, const RuleSet& before,
                                  policy::Names& names, uint64_t free_memory) {
  Reloaded reloaded;
  policy::KnownNames known = before.names_;
  if (!known.ReadAgain(names, &reloaded.stale)) return reloaded;
  Compiled compiled = Compile(policy, names, free_memory, std::move(known));
  reloaded.rules = std::move(compiled.rules);
  reloaded.problems = std::move(compiled.problems);
  if (absl::IsResourceExhausted(compiled.status)) {
    reloaded.stale.emplace_back(compiled.status.message());
  }
  return reloaded;
}

RuleSet::Compiled RuleSet::Renamed(const v1::PolicyText& policy, const RuleSet& before,
                                   policy::NameMeanings now, policy::Names& names,
                                   uint64_t free_memory) {
  policy::KnownNames known = before.names_;
  static_cast<policy::NameMeanings&>(known) = std::move(now);
  return Compile(policy, names, free_memory, std::move(known));
}

RuleSet::Compiled RuleSet::Compile(const v1::PolicyText& policy, policy::Names& names,
                                   uint64_t free_memory, policy::KnownNames known) {
  // Both the need and the free memory are estimates, and others may take memory meanwhile.
  try {
    return CompileIfItFits(policy, names, free_memory, std::move(known));
  } catch (const std::bad_alloc&) {
    Compiled compiled;
    compiled.status = absl::ResourceExhaustedError(
        "compiling this policy takes more memory than this server can get");
    return compiled;
  }
}

RuleSet::Compiled RuleSet::CompileIfItFits(const v1::PolicyText& policy, policy::Names& names,
                                           uint64_t free_memory, policy::KnownNames known) {
  policy::RememberingNames remembering(&names, &known);
  Compiled compiled;
  policy::Problems problems;
  policy::Problems warnings;
  policy::CheckedPolicy checked;
  if (policy.text().size() > kLargestText) {
    problems.Add({}, absl::StrCat("the policy has ", policy.text().size(), " bytes; at most ",
                                  kLargestText, " are taken"));
  } else {
    // The syntax tree is freed before the rules are indexed: for a million rules it takes hundreds
    // of megabytes.
    const policy::Syntax syntax = policy::Parse(policy::TextsOf(policy), problems, free_memory);
    compiled.status = Fits(syntax.memory, free_memory, policy);
    if (!compiled.status.ok()) return compiled;
    checked.files = syntax.files;
    compiled.missing_files = syntax.missing;
    // Names are looked up only if all included files are there.
    if (syntax.missing.empty()) checked = policy::Check(syntax, remembering, problems);
    compiled.wanted = names.wanted();
    if (!compiled.wanted.empty()) {
      compiled.status = absl::FailedPreconditionError("names are to be looked up first");
      return compiled;
    }
    compiled.outdated = names.outdated();
    policy::WarnOfOutdated(syntax, compiled.outdated, warnings);
    compiled.status =
        Fits(syntax.memory + checked.set_addresses * policy::kBytesPerAddress, free_memory, policy);
    if (!compiled.status.ok()) return compiled;
  }
  if (problems.empty()) {
    compiled.rules.reset(new RuleSet(checked, std::move(known)));
    if (const auto cost = policy::FindCost(checked, compiled.rules->classifier_)) {
      compiled.too_costly = policy::ToProto(*cost, checked.files);
    } else {
      policy::WarnOfUnreachable(checked, compiled.rules->classifier_, warnings);
    }
    for (const policy::Problem& warning : std::move(warnings).Take()) {
      compiled.warnings.push_back(policy::ToProto(warning, checked.files));
    }
    return compiled;
  }
  compiled.status = problems.all_unanswered()
                        ? absl::UnavailableError("names in the policy cannot be looked up now")
                        : absl::InvalidArgumentError("the policy is not well-formed");
  for (const policy::Problem& problem : std::move(problems).Take()) {
    compiled.problems.push_back(policy::ToProto(problem, checked.files));
  }
  return compiled;
}

std::vector<std::string> RuleSet::MissingFiles(const v1::PolicyText& policy) {
  policy::Problems problems;
  return policy::Parse(policy::TextsOf(policy), problems).missing;
}

std::vector<std::string> RuleSet::SetFiles() const {
  std::vector<std::string> paths;
  for (const auto& [path, text] : names_.set_files) paths.push_back(path);
  return paths;
}

size_t RuleSet::memory() const {
  size_t bytes = classifier_.memory() + names_.memory() + verdicts_.capacity() * sizeof(Verdict);
  for (const Verdict& verdict : verdicts_) bytes += verdict.reason.capacity();
  return bytes;
}

Ruling RuleSet::Decide(const PacketFields& packet) const {
  const size_t index = classifier_.FirstMatch(policy::ViewPacket(packet));
  if (index == policy::Classifier::kNone) return Rule(fallback_, 0, "default");
  const Verdict& verdict = verdicts_[index];
  return Rule(verdict.decision, static_cast<uint32_t>(index + 1), verdict.reason);
}

}  // namespace sluice::server
