#include "clients/cli/policy_check.h"

#include <absl/strings/str_cat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <memory>

#include "clients/cli/json.h"
#include "clients/cli/policy_problems.h"

namespace sluice::cli {

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

absl::Status Check(Connection& connection, const std::string& text,
                   v1::CheckPolicyResponse* response) {
  v1::CheckPolicyRequest request;
  request.mutable_policy()->set_text(text);
  ShortCall call;
  return connection.Explain(connection.control().CheckPolicy(&call, request, response));
}

absl::Status Refused(const std::string& file, const std::string& output, const std::string& text,
                     const v1::CheckPolicyResponse& response, Context& context) {
  if (output == "json") {
    *context.out << ToJson(response, JsonFields::kAll) << '\n';
  } else {
    PrintProblems(NameOf(file), text, response.problems(), context.color, *context.out);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      NameOf(file), ": ", response.problems_size(),
      response.problems_size() == 1 ? " problem" : " problems", "; the policy in force stays"));
}

}  // namespace sluice::cli
