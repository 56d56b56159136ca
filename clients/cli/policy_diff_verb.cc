#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "clients/cli/diff_program.h"
#include "clients/cli/policy_text.h"
#include "clients/cli/policy_verbs.h"
#include "clients/cli/text.h"
#include "clients/cli/verb.h"

namespace sluice::cli {
namespace {

// As diff(1) has it.
constexpr int kDifferent = 1;
constexpr int kTrouble = 2;

struct Options {
  std::string before;  // "" is not given
  std::string after;
};

struct Side {
  std::string label;
  std::string text;
  std::map<std::string, std::string> files;
};

std::optional<uint64_t> Version(const std::string& word) {
  uint64_t version;
  if (word.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return absl::SimpleAtoi(word, &version) ? std::optional(version) : std::nullopt;
}

// A policy or a policy's text.
template <typename Policy>
Side SideOf(std::string label, const Policy& policy) {
  Side side = {std::move(label), policy.text(), {}};
  for (const v1::PolicyFile& file : policy.files()) side.files[file.name()] = file.text();
  return side;
}

// Of none, the one now.
absl::StatusOr<v1::Policy> Get(std::optional<uint64_t> version, Connection& connection) {
  v1::GetPolicyRequest request;
  if (version) request.set_version(*version);
  ShortCall call;
  v1::GetPolicyResponse response;
  const grpc::Status status = connection.control().GetPolicy(&call, request, &response);
  if (!status.ok()) return connection.Explain(status);
  return response.policy();
}

absl::StatusOr<Side> OfVersion(std::optional<uint64_t> version, Connection& connection) {
  const absl::StatusOr<v1::Policy> policy = Get(version, connection);
  if (!policy.ok()) return policy.status();
  return SideOf(absl::StrCat("version ", policy->version()), *policy);
}

absl::StatusOr<Side> OfFile(const std::string& file, Context& context, Connection& connection) {
  v1::PolicyText policy;
  v1::CheckPolicyResponse checked;
  if (absl::Status status = LoadPolicy(file, context, connection, &policy, &checked);
      !status.ok()) {
    return status;
  }
  return SideOf(policy.source(), policy);
}

absl::StatusOr<Side> OfWord(const std::string& word, Context& context, Connection& connection) {
  const std::optional<uint64_t> version = Version(word);
  return version ? OfVersion(version, connection) : OfFile(word, context, connection);
}

// The version kept before the one now.
absl::StatusOr<Side> OfTheOneBefore(Connection& connection) {
  const absl::StatusOr<v1::Policy> now = Get(std::nullopt, connection);
  if (!now.ok()) return now.status();
  ShortCall call;
  v1::ListPoliciesResponse response;
  const grpc::Status status = connection.control().ListPolicies(&call, {}, &response);
  if (!status.ok()) return connection.Explain(status);
  for (const v1::Policy& policy : response.policies()) {
    if (policy.version() < now->version()) return OfVersion(policy.version(), connection);
  }
  return absl::NotFoundError(absl::StrCat("there is no version before ", now->version()));
}

absl::StatusOr<std::string> Compare(const Side& before, const Side& after, bool color) {
  absl::StatusOr<std::string> said =
      RunDiff({before.label, before.text}, {after.label, after.text}, color);
  if (!said.ok()) return said;
  std::map<std::string, std::string> names = before.files;
  names.insert(after.files.begin(), after.files.end());
  for (const auto& [name, text] : names) {
    const auto side = [&name = name](const Side& policy) {
      const auto found = policy.files.find(name);
      return found == policy.files.end()
                 ? DiffSide{absl::StrCat(policy.label, ", without ", name), ""}
                 : DiffSide{absl::StrCat(policy.label, ", ", name), found->second};
    };
    absl::StatusOr<std::string> more = RunDiff(side(before), side(after), color);
    if (!more.ok()) return more;
    said->append(*more);
  }
  return said;
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  context.failed = kTrouble;
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  // `diff FILE` asks what applying it would change.
  const bool one_file =
      !options.before.empty() && options.after.empty() && !Version(options.before);
  const absl::StatusOr<Side> before = one_file ? OfVersion(std::nullopt, connection)
                                      : options.before.empty()
                                          ? OfTheOneBefore(connection)
                                          : OfWord(options.before, context, connection);
  if (!before.ok()) return before.status();
  const absl::StatusOr<Side> after = one_file ? OfFile(options.before, context, connection)
                                     : options.after.empty()
                                         ? OfVersion(std::nullopt, connection)
                                         : OfWord(options.after, context, connection);
  if (!after.ok()) return after.status();
  const absl::StatusOr<std::string> said = Compare(*before, *after, context.color);
  if (!said.ok()) return said.status();
  *context.out << *said;
  if (!said->empty()) context.done = kDifferent;
  return absl::OkStatus();
}

}  // namespace

void AddPolicyDiffVerb(CLI::App& policy, Action* action) {
  CLI::App* const verb =
      policy.add_subcommand("diff", "Compare versions of the policy, or one with a file");
  const auto options = std::make_shared<Options>();
  verb->add_option("FILE", options->before,
                   "A version or a file; without it, the version before now")
      ->option_text(" ");
  verb->add_option("OTHER", options->after,
                   "What it is compared with, a version or a file; without it, the version now")
      ->type_name("FILE")
      ->option_text(" ");
  SetExamples(*verb,
              {{"sluicectl policy diff", "what the last change was"},
               {"sluicectl policy diff gateway.policy", "what applying it would change"},
               {"sluicectl policy diff 12", "from version 12 to now"},
               {"sluicectl policy diff 12 14", ""}},
              "A word of digits is a version, any other a file, of which included ones are read\n"
              "too; a single file is compared with the version now. Runs `diff -u`.\n"
              "Exit codes: 0 the same, 1 different, 2 trouble or not understood, as of diff(1).");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
