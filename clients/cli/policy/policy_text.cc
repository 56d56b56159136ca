#include "clients/cli/policy/policy_text.h"

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <memory>
#include <set>

#include "proto/text/text.h"

namespace sluice::cli {
namespace {

// The most that the server takes. It also ends the reading of a device that never ends.
constexpr size_t kLargestFile = size_t{64} << 20;

// Each round reads the files that the round before found missing: at least one, usually all
// includes of one depth.
constexpr int kMostRounds = 100;

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  // Not a std::ifstream, which does not say what is wrong, for example with a folder.
  const std::unique_ptr<FILE, decltype(&fclose)> opened(fopen(path.c_str(), "rbe"), &fclose);
  std::string text;
  char piece[4096];
  while (opened) {
    const size_t size = fread(piece, 1, sizeof(piece), opened.get());
    text.append(piece, size);
    if (text.size() > kLargestFile) {
      return absl::NotFoundError(absl::StrCat(path, ": it is larger than 64 MiB"));
    }
    if (size < sizeof(piece)) break;
  }
  if (opened && !ferror(opened.get())) return text;
  return absl::NotFoundError(absl::StrCat(path, ": ", std::strerror(errno)));
}

// The problem about the missing file, which the server names between backquotes.
v1::PolicyProblem ProblemAbout(const std::string& name, const v1::CheckPolicyResponse& checked) {
  for (const v1::PolicyProblem& problem : checked.problems()) {
    if (problem.message().find(absl::StrCat("`", name, "`")) != std::string::npos) return problem;
  }
  return {};
}

// Reads the missing files, relative to the policy's `folder`. It reads only files that the policy
// includes, whatever the server asks for. False: one cannot be read, and `checked` says so.
bool ReadMissing(const std::filesystem::path& folder, v1::PolicyText* policy,
                 v1::CheckPolicyResponse* checked) {
  const std::set<std::string> included = IncludedNames(*policy);
  for (const std::string& name : checked->missing_files()) {
    absl::StatusOr<std::string> text =
        included.contains(name)
            ? ReadFile((folder / name).string())
            : absl::PermissionDeniedError(absl::StrCat(
                  OneLine(name), ", which the server asks for: no `include` names it"));
    if (!text.ok()) {
      v1::PolicyProblem problem = ProblemAbout(name, *checked);
      problem.set_message(
          absl::StrCat("cannot read ", ToUtf8(std::string(text.status().message()))));
      checked->clear_problems();
      *checked->add_problems() = std::move(problem);
      return false;
    }
    v1::PolicyFile& file = *policy->add_files();
    file.set_name(name);
    file.set_text(ToUtf8(*text));
  }
  return true;
}

}  // namespace

std::string NameOf(const std::string& file) { return file == "-" ? "stdin" : file; }

std::string PathOf(const v1::PolicyText& policy, const std::string& name) {
  return (std::filesystem::path(policy.source()).parent_path() / name).string();
}

absl::Status LoadPolicy(const std::string& file, Context& context, Connection& connection,
                        v1::PolicyText* policy, v1::CheckPolicyResponse* checked, bool for_change) {
  policy->set_source(ToUtf8(NameOf(file)));
  if (file == "-") {
    policy->set_text(ToUtf8(std::string(std::istreambuf_iterator<char>(*context.in), {})));
  } else {
    const absl::StatusOr<std::string> text = ReadFile(file);
    if (!text.ok()) {
      return absl::NotFoundError(
          absl::StrCat("cannot read the policy ", std::string(text.status().message())));
    }
    policy->set_text(ToUtf8(*text));
  }
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  // Empty for standard input, which is the working directory.
  const std::filesystem::path folder = std::filesystem::path(NameOf(file)).parent_path();
  for (int round = 0; round < kMostRounds; ++round) {
    v1::CheckPolicyRequest request;
    *request.mutable_policy() = *policy;
    request.set_for_change(for_change);
    PolicyCall call;
    checked->Clear();
    const grpc::Status status = connection.control().CheckPolicy(&call, request, checked);
    if (!status.ok()) return connection.Explain(status);
    if (checked->missing_files().empty() || !ReadMissing(folder, policy, checked)) break;
  }
  return absl::OkStatus();
}

}  // namespace sluice::cli
