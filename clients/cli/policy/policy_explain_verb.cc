#include <absl/strings/str_cat.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "clients/cli/format/observe_rows.h"
#include "clients/cli/format/table.h"
#include "clients/cli/format/text.h"
#include "clients/cli/format/words.h"
#include "clients/cli/policy/explained_packet.h"
#include "clients/cli/policy/policy_check.h"
#include "clients/cli/policy/policy_verbs.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verb/verb.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

struct Options {
  PacketWords packet;
  std::string policy = "current";
  bool all = false;
  std::string output;
};

std::string RulingLine(const v1::PolicyRuling& ruling, bool color) {
  const bool accepts = ruling.action() == v1::ACTION_ACCEPT;
  std::string text =
      Colored(accepts ? "accept" : "drop", accepts ? Color::kGreen : Color::kRed, color);
  if (ruling.notify() != v1::NOTIFY_UNSPECIFIED) {
    absl::StrAppend(&text, ", notify ", NotifyWord(ruling.notify()));
  }
  if (ruling.scope() == v1::SCOPE_CONNECTION) text += ", for the connection";
  if (ruling.scope() == v1::SCOPE_PEER) text += ", for packets like it";
  if (ruling.scope() == v1::SCOPE_SOURCE) text += ", for packets from its source";
  if (ruling.has_lifetime()) absl::StrAppend(&text, " for ", ruling.lifetime().seconds(), "s");
  if (ruling.logged()) text += ", logged";
  absl::StrAppend(&text, ": ", OneLine(ruling.reason()));
  if (!ruling.decider().empty()) {
    absl::StrAppend(&text, "; unless the decider ", OneLine(ruling.decider()),
                    ", which it asks first, says otherwise");
  }
  return text;
}

// The facts that rules depend on and that were not given.
std::vector<v1::PacketFact> HingesOn(const v1::ExplainPolicyResponse& response) {
  std::set<v1::PacketFact> facts;
  for (const auto& rule : response.considered()) {
    for (const int fact : rule.hinges_on()) facts.insert(static_cast<v1::PacketFact>(fact));
  }
  return {facts.begin(), facts.end()};
}

// Prints the rule's statement, and below it what keeps the rule from matching.
void PrintRule(const v1::ExplainPolicyResponse::Considered& rule, bool color, std::ostream& out) {
  out << "\n  rule " << rule.rule() << ", "
      << (rule.file().empty() ? "" : OneLine(rule.file()) + " ") << "line " << rule.line()
      << (rule.matches() ? Colored(" matches", Color::kGreen, color) : "") << '\n';
  size_t begin = 0;
  const std::string& text = rule.text();
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out << "    " << Colored(OneLine(text.substr(begin, end - begin)), Color::kDim, color) << '\n';
    begin = end + 1;
  }
  for (const std::string& mismatch : rule.mismatches()) {
    out << "      " << OneLine(mismatch) << '\n';
  }
  if (rule.matches() && rule.hinges_on_size() > 0) {
    std::vector<v1::PacketFact> facts;
    for (const int fact : rule.hinges_on()) facts.push_back(static_cast<v1::PacketFact>(fact));
    out << "      it depends on what was not given: " << DescribeFacts(facts) << '\n';
  }
}

void Print(const v1::ExplainPolicyRequest& request, const v1::ExplainPolicyResponse& response,
           const Context& context) {
  std::ostream& out = *context.out;
  out << DescribePacket(response.has_packet() ? response.packet() : request.packet()) << '\n'
      << RulingLine(response.ruling(), context.color) << '\n';
  const std::vector<v1::PacketFact> facts = HingesOn(response);
  if (!facts.empty()) {
    out << Colored("not certain", Color::kYellow, context.color)
        << ": rules depend on what was not given: " << DescribeFacts(facts) << '\n';
  }
  for (const auto& rule : response.considered()) PrintRule(rule, context.color, out);
  if (response.others() == 0) return;
  out << '\n' << response.others() << (response.others() == 1 ? " other rule" : " other rules");
  if (request.all()) {
    out << ", too many to show\n";
  } else {
    out << (response.others() == 1 ? " differs" : " differ")
        << " in more than one thing: --all shows them\n";
  }
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  absl::StatusOr<v1::ExplainPolicyRequest> parsed = ParsePacket(options.packet);
  if (!parsed.ok()) return parsed.status();
  v1::ExplainPolicyRequest request = *std::move(parsed);
  request.set_all(options.all);
  if (options.policy != "current") {
    v1::CheckPolicyResponse checked;
    absl::Status status = LoadGoodPolicy(options.policy, options.output, context, connection,
                                         request.mutable_policy(), &checked);
    if (!status.ok()) return status;
  } else if (absl::Status status = connection.Connect(); !status.ok()) {
    return status;
  }
  PolicyCall call;
  v1::ExplainPolicyResponse response;
  const grpc::Status status = connection.control().ExplainPolicy(&call, request, &response);
  if (!status.ok()) return connection.Explain(status);
  if (options.output == "json") {
    PrintJson(response, JsonFields::kAll, context);
  } else {
    Print(request, response, context);
  }
  return absl::OkStatus();
}

}  // namespace

void AddPolicyExplainVerb(CLI::App& policy, Action* action) {
  CLI::App* const verb = policy.add_subcommand(
      "explain", "Show what a packet would get, by which rule, and why not by others");
  const auto options = std::make_shared<Options>();
  PacketWords& words = options->packet;
  verb->add_option("SRC", words.source, "Its source: an address, or a host the server knows")
      ->required()
      ->transform(AsUtf8())
      ->option_text(" ");
  verb->add_option("DST", words.destination, "Its destination, likewise")
      ->required()
      ->transform(AsUtf8())
      ->option_text(" ");
  verb->add_option("PROTO", words.protocol, "tcp, udp, icmp, another protocol's name or number")
      ->transform(AsUtf8())
      ->option_text(" ");
  verb->add_option("PORT", words.port,
                   "For tcp and udp the destination port, for icmp the\n"
                   "type; by number or by its name in policies")
      ->transform(AsUtf8())
      ->option_text(" ");
  verb->add_option("--src-port", words.source_port, "Source port for tcp and udp (default: 49152)")
      ->type_name("PORT");
  verb->add_option("--flags", words.flags, "TCP flags that are set, or none (default: syn)")
      ->type_name("FLAG,...");
  verb->add_option("--state", words.state,
                   "Its state in connection tracking: new,\n"
                   "established, related, invalid or unknown\n"
                   "(default: new)")
      ->type_name("STATE");
  verb->add_option("--in-group", words.in_group, "Interface group it enters by; '' for none")
      ->transform(AsUtf8())
      ->type_name("GROUP");
  verb->add_option("--out-group", words.out_group, "Interface group it would leave by")
      ->transform(AsUtf8())
      ->type_name("GROUP");
  verb->add_option("--policy", options->policy, "The policy's file; current is the policy in force")
      ->type_name("FILE")
      ->capture_default_str();
  verb->add_flag("--all", options->all, "Also show rules that differ in more than one thing");
  AddOutputOption(*verb, &options->output, {"text", "json"});
  SetExamples(
      *verb,
      {{"sluicectl policy explain 10.0.0.1 192.0.2.7 tcp 443", "why can I not connect?"},
       {"sluicectl policy explain 10.0.0.1 192.0.2.7 icmp echo --policy new.policy", ""},
       {"sluicectl policy explain 2001:db8::1 ::2 tcp 25 --state established --flags ack", ""}},
      "What you leave out is taken from the first packet of a connection. Without PROTO, the\n"
      "protocol is one that no rule should name (253, for experiments). The packet has no\n"
      "bytes for `match` to look at: such a rule matches if it rejects, not if it accepts.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
