#include "server/control/policy_calls.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/control/scope_warnings.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

// The limit in control.proto.
constexpr std::chrono::seconds kLongestApproval = std::chrono::hours(24);

// Reads what Apply and Rollback requests have in common. INVALID_ARGUMENT: confirm_within is out of
// range.
template <typename Request>
absl::Status ToChange(const Request& request, const PolicyCaller& caller,
                      PolicyStore::Change* change) {
  change->author = request.author();
  change->abandoned = caller.gone;
  if (request.has_if_version()) change->if_version = request.if_version();
  if (!request.has_confirm_within()) return absl::OkStatus();
  const auto within = std::chrono::seconds(
      std::clamp<int64_t>(request.confirm_within().seconds(), -1, kLongestApproval.count() + 1));
  const auto exactly = within + std::chrono::nanoseconds(request.confirm_within().nanos());
  if (exactly <= std::chrono::seconds(0) || exactly > kLongestApproval) {
    return absl::InvalidArgumentError("confirm_within: must be more than 0 and at most a day");
  }
  change->confirm_by = std::chrono::steady_clock::now() + exactly;
  return absl::OkStatus();
}

template <typename Response>
void AddScopeWarnings(const RuleSet& rules, const Registry& registry, Response* response) {
  for (v1::PolicyProblem& warning : ScopeWarnings(rules, registry)) {
    *response->add_warnings() = std::move(warning);
  }
}

template <typename Response>
absl::Status Answer(const PolicyStore::Applied& applied, const std::string& author,
                    const std::string& peer, const Registry& registry, Response* response) {
  if (!applied.problems.empty()) {
    const std::string problems = Describe(applied.problems);
    const char* const what = absl::IsUnavailable(applied.status) ? " cannot be applied now:\n"
                                                                 : " is no longer well-formed:\n";
    return absl::Status(
        applied.status.code(),
        applied.restored ? absl::StrCat("version ", *applied.restored, what, problems) : problems);
  }
  if (!applied.status.ok()) return applied.status;
  const Policy& current = *applied.current;
  spdlog::info("policy {} applied by {} from {}: {}{} rules from {}{}", current.version,
               author.empty() ? "somebody" : OneLine(author, 256), peer,
               applied.restored ? absl::StrCat("version ", *applied.restored, " again, ") : "",
               current.rules->size(), OneLine(current.text.source(), 256),
               current.confirmed ? "" : ", to be confirmed");
  const auto now = std::chrono::steady_clock::now();
  *response->mutable_previous() = applied.previous->ToProto(now);
  *response->mutable_current() = current.ToProto(now);
  for (const v1::PolicyProblem& warning : applied.warnings) *response->add_warnings() = warning;
  AddScopeWarnings(*current.rules, registry, response);
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckPolicy(const v1::CheckPolicyRequest& request, const Registry& registry,
                         const PolicyStore& policies, JobNames* names,
                         v1::CheckPolicyResponse* response) {
  const RuleSet::Compiled compiled = policies.Compile(request.policy(), names->known);
  names->wanted = compiled.wanted;
  if (compiled.rules == nullptr && compiled.problems.empty()) return compiled.status;
  for (const v1::PolicyProblem& problem : compiled.problems) *response->add_problems() = problem;
  for (const v1::PolicyProblem& warning : compiled.warnings) *response->add_warnings() = warning;
  for (const std::string& file : compiled.missing_files) response->add_missing_files(file);
  if (compiled.rules != nullptr) {
    response->set_rules(static_cast<uint32_t>(compiled.rules->size()));
    AddScopeWarnings(*compiled.rules, registry, response);
  }
  return absl::OkStatus();
}

absl::Status ApplyPolicy(const v1::ApplyPolicyRequest& request, const PolicyCaller& caller,
                         const Registry& registry, PolicyStore* policies, JobNames* names,
                         v1::ApplyPolicyResponse* response) {
  PolicyStore::Change change;
  if (const absl::Status status = ToChange(request, caller, &change); !status.ok()) return status;
  const PolicyStore::Applied applied =
      policies->Apply(request.policy(), names->known, std::chrono::system_clock::now(), change);
  names->wanted = applied.wanted;
  return Answer(applied, change.author, caller.address, registry, response);
}

absl::Status RollbackPolicy(const v1::RollbackPolicyRequest& request, const PolicyCaller& caller,
                            const Registry& registry, PolicyStore* policies, JobNames* names,
                            v1::RollbackPolicyResponse* response) {
  PolicyStore::Change change;
  if (const absl::Status status = ToChange(request, caller, &change); !status.ok()) return status;
  const auto version =
      request.has_version() ? std::optional<uint64_t>(request.version()) : std::nullopt;
  const PolicyStore::Applied applied =
      policies->Rollback(version, names->known, std::chrono::system_clock::now(), change);
  names->wanted = applied.wanted;
  const absl::Status status = Answer(applied, change.author, caller.address, registry, response);
  if (status.ok()) response->set_restored_version(*applied.restored);
  return status;
}

absl::Status ConfirmPolicy(const v1::ConfirmPolicyRequest& request, const std::string& peer,
                           PolicyStore* policies, v1::ConfirmPolicyResponse* response) {
  if (const absl::Status status = policies->Confirm(request.version()); !status.ok()) {
    return status;
  }
  spdlog::info("policy {} confirmed from {}", request.version(), peer);
  *response->mutable_current() = policies->Current()->ToProto(std::chrono::steady_clock::now());
  response->mutable_current()->clear_text();
  response->mutable_current()->clear_files();
  return absl::OkStatus();
}

absl::Status GetPolicy(const v1::GetPolicyRequest& request, const PolicyStore& policies,
                       v1::GetPolicyResponse* response) {
  const std::shared_ptr<const Policy> current = policies.Current();
  if (!request.has_version() || request.version() == current->version) {
    *response->mutable_policy() = current->ToProto(std::chrono::steady_clock::now());
    return absl::OkStatus();
  }
  const absl::StatusOr<PolicyRecord> record = policies.Get(request.version());
  if (!record.ok()) return record.status();
  *response->mutable_policy() = record->ToProto();
  return absl::OkStatus();
}

void ListPolicies(const v1::ListPoliciesRequest& request, const PolicyStore& policies,
                  v1::ListPoliciesResponse* response) {
  const std::shared_ptr<const Policy> current = policies.Current();
  const v1::Policy now = current->ToProto(std::chrono::steady_clock::now());
  const size_t limit = request.limit() == 0 ? std::numeric_limits<size_t>::max() : request.limit();
  for (const PolicyRecord& record : policies.List(limit)) {
    v1::Policy* const policy = response->add_policies();
    *policy = record.ToProto();
    if (record.version == now.version() && now.has_reverts_in()) {
      *policy->mutable_reverts_in() = now.reverts_in();
    }
  }
}

std::string Describe(const std::vector<v1::PolicyProblem>& problems) {
  // A status travels in HTTP/2 headers, of which gRPC takes 8 KiB by default.
  constexpr size_t kMaxText = 2048;
  std::string text;
  size_t said = 0;
  for (const v1::PolicyProblem& problem : problems) {
    const std::string line =
        absl::StrCat(OneLine(problem.file(), 256), problem.file().empty() ? "" : ":",
                     problem.line(), ":", problem.column(), ": ", OneLine(problem.message(), 512));
    if (text.size() + line.size() > kMaxText) break;
    absl::StrAppend(&text, text.empty() ? "" : "\n", line);
    ++said;
  }
  if (said < problems.size()) {
    absl::StrAppend(&text, "\nand ", problems.size() - said, " more problems");
  }
  return text;
}

absl::Status StatusOf(const RuleSet::Compiled& compiled) {
  if (compiled.problems.empty()) return compiled.status;
  return absl::Status(compiled.status.code(), Describe(compiled.problems));
}

}  // namespace sluice::server
