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

#include "clients/cli/diff_program.h"
#include "clients/cli/policy_text.h"
#include "clients/cli/policy_verbs.h"
#include "clients/cli/table.h"
#include "clients/cli/verb.h"
#include "proto/text/text.h"

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

// What diff(1) says, of each file in which they differ.
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

// What diff(1) said of a file, in colours like its own if wanted.
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
  const auto said = Compare(*before, *after);
  if (!said.ok()) return said.status();
  for (const std::string& file : *said) {
    // A terminal is shown what others may have written into it.
    PrintDiff(context.terminal ? SafeLines(file) : file, context.color, *context.out);
  }
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
