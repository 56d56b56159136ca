#include "server/policy/policy_explainer.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/policy/advice/explainer.h"
#include "server/policy/checker/checker.h"
#include "server/policy/engine/packet_view.h"
#include "server/policy/language/parser.h"
#include "server/policy/language/statement_text.h"
#include "server/policy/policy_proto.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {
namespace {

// Limit for what the answer says about rules, which keeps it below gRPC's usual 4 MiB.
constexpr size_t kMostBytes = size_t{3} << 20;

// The texts of a policy and of the files it includes; split into statements when first needed.
class Texts {
 public:
  Texts(const PolicyTexts& texts, const std::vector<std::string>& files)
      : texts_(texts), files_(files) {}

  std::string At(const Place& place) {
    auto found = shown_.find(place.file);
    if (found == shown_.end()) {
      const std::string_view text =
          place.file == 0 ? texts_.own : texts_.files.find(files_[place.file])->second;
      found = shown_.try_emplace(place.file, text).first;
    }
    return found->second.At(place);
  }

 private:
  const PolicyTexts& texts_;
  const std::vector<std::string>& files_;
  std::map<uint32_t, StatementTexts> shown_;
};

v1::ExplainPolicyResponse::Considered ToProto(const ConsideredRule& rule,
                                              const std::vector<std::string>& files, Texts& texts) {
  v1::ExplainPolicyResponse::Considered proto;
  const PairSyntax& pair = *rule.pair;
  proto.set_rule(static_cast<uint32_t>(rule.rule + 1));
  if (!pair.name.text.empty())
    proto.set_text(absl::StrCat("rule \"", OneLine(pair.name.text, 64), "\" "));
  proto.mutable_text()->append(texts.At(pair.place));
  if (pair.place.file != 0) proto.set_file(files[pair.place.file]);
  proto.set_line(pair.place.line);
  proto.set_matches(rule.mismatches.empty());
  for (const std::string& mismatch : rule.mismatches) proto.add_mismatches(mismatch);
  for (int fact = v1::PacketFact_MIN; fact <= v1::PacketFact_MAX; ++fact) {
    const auto one = static_cast<v1::PacketFact>(fact);
    if ((rule.hinges_on & Bit(one)) != 0) proto.add_hinges_on(one);
  }
  return proto;
}

}  // namespace

absl::Status ExplainRules(const v1::PolicyText& policy, const v1::Packet& packet, bool all,
                          FactSet not_told, Names& names, v1::ExplainPolicyResponse* response) {
  Problems problems;
  const PolicyTexts texts = TextsOf(policy);
  const Syntax syntax = Parse(texts, problems);
  const CheckedPolicy checked = Check(syntax, names, problems);
  if (!problems.empty()) {
    const Problem first = std::move(problems).Take().front();
    return absl::FailedPreconditionError(
        absl::StrCat("the policy cannot be read again: ", first.place.line, ":", first.place.column,
                     ": ", first.message));
  }
  const Explanation explanation = Explain(syntax, checked, ViewPacket(packet), all, not_told);
  Texts statements(texts, syntax.files);
  size_t bytes = 0;
  uint64_t others = explanation.others;
  for (const ConsideredRule& rule : explanation.considered) {
    v1::ExplainPolicyResponse::Considered considered = ToProto(rule, syntax.files, statements);
    bytes += considered.ByteSizeLong();
    if (bytes > kMostBytes && !considered.matches()) {
      ++others;
    } else {
      *response->add_considered() = std::move(considered);
    }
  }
  response->set_others(others);
  return absl::OkStatus();
}

}  // namespace sluice::server::policy
