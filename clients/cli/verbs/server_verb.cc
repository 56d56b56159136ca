#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <google/protobuf/util/time_util.h>

#include <memory>

#include "clients/cli/format/table.h"
#include "clients/cli/format/text.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verbs/verbs.h"

namespace sluice::cli {
namespace {

double Seconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(google::protobuf::util::TimeUtil::DurationToNanoseconds(duration)) /
         1e9;
}

void PrintTable(const v1::GetServerResponse& usage, Context& context) {
  const double running = Seconds(usage.running());
  const double used = Seconds(usage.cpu_time());
  Table table({{"RUNNING", Align::kRight},
               {"CPU TIME", Align::kRight},
               {"CPU", Align::kRight},
               {"MEMORY", Align::kRight},
               {"GATEWAYS", Align::kRight},
               {"DECIDE STREAMS", Align::kRight},
               {"CONNECTIONS", Align::kRight}},
              context.out, context.color);
  table.Row({FormatAge(std::chrono::seconds(usage.running().seconds())),
             absl::StrFormat("%.2fs", used),
             absl::StrFormat("%.2f%%", running > 0 ? used / running * 100 : 0.0),
             absl::StrFormat("%.1f MB", static_cast<double>(usage.resident_bytes()) / 1e6),
             std::to_string(usage.gateways()), std::to_string(usage.decide_streams()),
             absl::StrCat(usage.peers().connections(), " of ", usage.peers().most_connections())});
}

// What was refused to peers. Usually nothing.
void PrintRefused(const v1::PeerUsage& peers, Context& context) {
  const struct {
    uint64_t count;
    const char* what;
  } kRefused[] = {
      {peers.refused_connections(), "connections refused: too many, or no file descriptor left"},
      {peers.failed_handshakes(), "connections ended: their TLS handshake failed"},
      {peers.too_slow(), "connections and calls ended: too slow"},
      {peers.protocol_errors(), "connections ended: against HTTP, or too many empty frames"},
      {peers.large_heads(), "requests refused: their head is too large"},
      {peers.refused_messages(), "messages refused: too large, compressed or malformed"},
      {peers.over_budget(), "calls ended: too much was kept for their peer"},
  };
  for (const auto& [count, what] : kRefused) {
    if (count > 0) *context.out << count << " " << what << "\n";
  }
}

absl::Status Run(const std::string& output, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  ShortCall call;
  v1::GetServerResponse usage;
  const grpc::Status status = connection.control().GetServer(&call, {}, &usage);
  if (!status.ok()) return connection.Explain(status);
  if (output == "table") {
    PrintTable(usage, context);
    PrintRefused(usage.peers(), context);
  } else {
    PrintJson(usage, JsonFields::kAll, context);
  }
  return absl::OkStatus();
}

}  // namespace

void AddServerVerb(CLI::App& root, Action* action) {
  CLI::App* const verb =
      root.add_subcommand("server", "Show the CPU time and memory the server uses");
  const auto output = std::make_shared<std::string>();
  AddOutputOption(*verb, output.get());
  SetExamples(*verb, {{"sluicectl server", "and how many gateways it serves"}},
              "CPU is the average share of one processor since the server started. MEMORY is its "
              "resident\nset; it does not include what the kernel holds for its connections.");
  verb->callback([output, action] {
    *action = [output](Context& context, Connection& connection) {
      return Run(*output, context, connection);
    };
  });
}

}  // namespace sluice::cli
