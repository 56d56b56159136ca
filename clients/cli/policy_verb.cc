#include <absl/strings/str_cat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <memory>

#include "clients/cli/json.h"
#include "clients/cli/policy_problems.h"
#include "clients/cli/text.h"
#include "clients/cli/verb.h"

namespace sluice::cli {
namespace {

struct Options {
  std::string file;
  std::string output;
};

// What people call it.
std::string NameOf(const std::string& file) { return file == "-" ? "stdin" : file; }

absl::Status ReadPolicy(const std::string& file, Context& context, std::string* text) {
  if (file == "-") {
    text->assign(std::istreambuf_iterator<char>(*context.in), {});
    return absl::OkStatus();
  }
  // Not a stream: those do not say what is wrong, with a folder for one.
  const std::unique_ptr<FILE, decltype(&fclose)> opened(fopen(file.c_str(), "rbe"), &fclose);
  char piece[4096];
  while (opened) {
    const size_t size = fread(piece, 1, sizeof(piece), opened.get());
    text->append(piece, size);
    if (size < sizeof(piece)) break;
  }
  if (opened && !ferror(opened.get())) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("cannot read the policy ", file, ": ", std::strerror(errno)));
}

std::string Rules(uint32_t count) { return absl::StrCat(count, count == 1 ? " rule" : " rules"); }

std::string Describe(const v1::Policy& policy) {
  return absl::StrCat("version ", policy.version(), " (",
                      policy.version() == 0 ? "built in" : Printable(policy.source()), ", ",
                      Rules(policy.rules()), ")");
}

absl::Status Check(Connection& connection, const std::string& text,
                   v1::CheckPolicyResponse* response) {
  v1::CheckPolicyRequest request;
  request.mutable_policy()->set_text(text);
  ShortCall call;
  return connection.Explain(connection.control().CheckPolicy(&call, request, response));
}

absl::Status Refused(const Options& options, const std::string& text,
                     const v1::CheckPolicyResponse& response, Context& context) {
  if (options.output == "json") {
    *context.out << ToJson(response, JsonFields::kAll) << '\n';
  } else {
    PrintProblems(NameOf(options.file), text, response.problems(), context.color, *context.out);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      NameOf(options.file), ": ", response.problems_size(),
      response.problems_size() == 1 ? " problem" : " problems", "; the policy in force stays"));
}

absl::Status RunCheck(const Options& options, Context& context, Connection& connection) {
  std::string text;
  if (absl::Status status = ReadPolicy(options.file, context, &text); !status.ok()) return status;
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  v1::CheckPolicyResponse response;
  if (absl::Status status = Check(connection, text, &response); !status.ok()) return status;
  if (!response.problems().empty()) return Refused(options, text, response, context);
  if (options.output == "json") {
    *context.out << ToJson(response, JsonFields::kAll) << '\n';
  } else {
    *context.out << NameOf(options.file) << ": ok, " << Rules(response.rules()) << '\n';
  }
  return absl::OkStatus();
}

absl::Status RunApply(const Options& options, Context& context, Connection& connection) {
  std::string text;
  if (absl::Status status = ReadPolicy(options.file, context, &text); !status.ok()) return status;
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  v1::ApplyPolicyRequest request;
  request.mutable_policy()->set_text(text);
  request.mutable_policy()->set_source(NameOf(options.file));
  ShortCall call;
  v1::ApplyPolicyResponse response;
  const grpc::Status status = connection.control().ApplyPolicy(&call, request, &response);
  if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
    // The same problems again, but each with its place.
    v1::CheckPolicyResponse problems;
    if (Check(connection, text, &problems).ok() && !problems.problems().empty()) {
      return Refused(options, text, problems, context);
    }
  }
  if (!status.ok()) return connection.Explain(status);
  if (options.output == "json") {
    *context.out << ToJson(response, JsonFields::kAll) << '\n';
  } else {
    *context.out << "was " << Describe(response.previous()) << "\nnow "
                 << Describe(response.current()) << '\n';
  }
  return absl::OkStatus();
}

absl::Status RunShow(const Options& options, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  ShortCall call;
  v1::GetPolicyResponse response;
  const grpc::Status status = connection.control().GetPolicy(&call, {}, &response);
  if (!status.ok()) return connection.Explain(status);
  const v1::Policy& policy = response.policy();
  if (options.output == "json") {
    *context.out << ToJson(policy, JsonFields::kAll) << '\n';
    return absl::OkStatus();
  }
  // The text alone goes to a pipe or a file, which can then be applied again.
  if (context.terminal) {
    *context.out << "# " << Describe(policy);
    if (policy.has_applied()) {
      const auto now = std::chrono::system_clock::now();
      *context.out << ", applied " << FormatAge(Age(policy.applied(), now)) << " ago";
    }
    *context.out << '\n';
  }
  *context.out << policy.text();
  if (!policy.text().empty() && !policy.text().ends_with('\n')) *context.out << '\n';
  return absl::OkStatus();
}

using Runner = absl::Status (*)(const Options&, Context&, Connection&);

void AddPart(CLI::App* verb, bool file, Runner run, Action* action) {
  const auto options = std::make_shared<Options>();
  if (file) {
    verb->add_option("FILE", options->file, "The policy; - is standard input")
        ->required()
        ->option_text(" ");
  }
  AddOutputOption(*verb, &options->output, {"text", "json"});
  verb->callback([options, run, action] {
    *action = [options, run](Context& context, Connection& connection) {
      return run(*options, context, connection);
    };
  });
}

}  // namespace

void AddPolicyVerb(CLI::App& root, Action* action) {
  CLI::App* const policy = root.add_subcommand("policy", "Check, apply or show the policy");
  policy->require_subcommand(1);

  CLI::App* const check =
      policy->add_subcommand("check", "Say whether a policy is well-formed; change nothing");
  AddPart(check, true, RunCheck, action);
  SetExamples(*check,
              {{"sluicectl policy check gateway.policy", ""},
               {"sluicectl policy check - < gateway.policy", "from standard input"}},
              "Problems are printed as FILE:LINE:COLUMN: what is wrong, and the exit code is 1.\n"
              "The server reads the policy: what it calls well-formed, it can apply.");

  CLI::App* const apply = policy->add_subcommand(
      "apply", "Replace the policy, all at once, for every gateway of the server");
  AddPart(apply, true, RunApply, action);
  SetExamples(*apply,
              {{"sluicectl policy apply gateway.policy", ""},
               {"echo 'default accept;' | sluicectl policy apply -", "let everything through"}},
              "Prints the version replaced and the version now. A policy with problems changes\n"
              "nothing. Packets already asked about keep the old policy's answer.");

  CLI::App* const show = policy->add_subcommand("show", "Print the policy decisions follow now");
  AddPart(show, false, RunShow, action);
  SetExamples(*show, {{"sluicectl policy show", ""},
                      {"sluicectl policy show > saved.policy", "just as it was applied"}});

  SetExamples(*policy, {{"sluicectl policy check gateway.policy", ""},
                        {"sluicectl policy apply gateway.policy", ""},
                        {"sluicectl policy show", ""}});
}

}  // namespace sluice::cli
