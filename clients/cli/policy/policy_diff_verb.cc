#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "clients/cli/format/table.h"
#include "clients/cli/policy/diff_program.h"
#include "clients/cli/policy/policy_text.h"
#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/verb/verb.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

// The exit codes of diff(1).
constexpr int kDifferent = 1;
constexpr int kTrouble = 2;

struct Options {
  std::string before;  // "" if not given
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

// The side for a v1::Policy or a v1::PolicyText.
template <typename Policy>
Side SideOf(std::string label, const Policy& policy) {
  Side side = {std::move(label), policy.text(), {}};
  for (const v1::PolicyFile& file : policy.files()) side.files[file.name()] = file.text();
  return side;
}

// Gets a version; without one, the current policy.
absl::StatusOr<v1::Policy> Get(std::optional<uint64_t> version, Connection& connection) {
  v1::GetPolicyRequest request;
  if (version) request.set_version(*version);
  PolicyCall call;
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

// The newest kept version before the current one.
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

// The output of diff(1) for each file in which the two differ.
absl::StatusOr<std::vector<std::string>> Compare(const Side& before, const Side& after) {
  std::vector<std::pair<DiffSide, DiffSide>> pairs = {
      {{before.label, before.text}, {after.label, after.text}}};
  std::map<std::string, std::string> names = before.files;
  names.insert(after.files.begin(), after.files.end());
  for (const auto& [name, text] : names) {
    const auto side = [&name = name](const Side& policy) {
      const auto found = policy.files.find(name);
      return found == policy.files.end()
                 ? DiffSide{absl::StrCat(policy.label, ", without ", name), ""}
                 : DiffSide{absl::StrCat(policy.label, ", ", name), found->second};
    };
    pairs.emplace_back(side(before), side(after));
  }
  std::vector<std::string> differing;
  for (const auto& [old_file, new_file] : pairs) {
    absl::StatusOr<std::string> said = RunDiff(old_file, new_file);
    if (!said.ok()) return said.status();
    if (!said->empty()) differing.push_back(*std::move(said));
  }
  return differing;
}

Color ColorOf(std::string_view line, bool title) {
  if (title) return Color::kBold;
  if (line.starts_with('+')) return Color::kGreen;
  if (line.starts_with('-')) return Color::kRed;
  return line.starts_with("@@") ? Color::kYellow : Color::kNone;
}

// Prints the output of diff(1) for one file, in colours like diff's own if wanted.
void PrintDiff(std::string_view said, bool color, std::ostream& out) {
  constexpr int kTitles = 2;
  for (int number = 0; !said.empty(); ++number) {
    const size_t end = std::min(said.find('\n'), said.size());
    const std::string_view line = said.substr(0, end);
    out << Colored(std::string(line), ColorOf(line, number < kTitles), color) << '\n';
    said.remove_prefix(std::min(end + 1, said.size()));
  }
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  context.failed = kTrouble;
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  // `diff FILE` shows what applying FILE would change.
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
  const auto said = Compare(*before, *after);
  if (!said.ok()) return said.status();
  for (const std::string& file : *said) {
    // Others may have written the policy: a terminal gets it with control characters escaped.
    PrintDiff(context.terminal ? SafeLines(file) : file, context.color, *context.out);
  }
  if (!said->empty()) context.done = kDifferent;
  return absl::OkStatus();
}

}  // namespace

void AddPolicyDiffVerb(CLI::App& policy, Action* action) {
  CLI::App* const verb =
      policy.add_subcommand("diff", "Compare versions of the policy, or a version with a file");
  const auto options = std::make_shared<Options>();
  verb->add_option("FILE", options->before, "A version or a file; without it, the previous version")
      ->option_text(" ");
  verb->add_option("OTHER", options->after,
                   "The version or file to compare with; without it, the current version")
      ->type_name("FILE")
      ->option_text(" ");
  SetExamples(
      *verb,
      {{"sluicectl policy diff", "what the last change was"},
       {"sluicectl policy diff gateway.policy", "what applying the file would change"},
       {"sluicectl policy diff 12", "from version 12 to the current one"},
       {"sluicectl policy diff 12 14", ""}},
      "A word of digits is a version, any other word a file, with the files it includes.\n"
      "A single file is compared with the current version. Runs `diff -u`.\n"
      "Exit codes are those of diff(1): 0 the same, 1 different, 2 trouble or usage error.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
