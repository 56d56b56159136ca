#include <memory>
#include <string>

#include "clients/cli/format/table.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verbs/verbs.h"

namespace sluice::cli {
namespace {

struct Options {
  std::string gateway;
  std::string output;
};

std::string CopyWord(const v1::KernelQueue& kernel) {
  switch (kernel.copy_mode()) {
    case v1::COPY_MODE_PACKET:
      return std::to_string(kernel.copy_range()) + " bytes";
    case v1::COPY_MODE_META:
      return "meta";
    case v1::COPY_MODE_NONE:
      return "none";
    default:
      return "?";
  }
}

void PrintTable(const v1::GatewayStats& stats, Context& context) {
  Table table({{"QUEUE", Align::kRight},
               {"OWNER", Align::kRight},
               {"WAITING", Align::kRight},
               {"LIMIT", Align::kRight},
               {"COPIES", Align::kRight},
               {"QUEUE DROPPED", Align::kRight},
               {"USER DROPPED", Align::kRight},
               {"NUMBERED", Align::kRight}},
              context.out, context.color);
  for (const v1::QueueStats& queue : stats.queues()) {
    if (!queue.has_kernel()) {
      table.Row({std::to_string(queue.queue()), {"not readable by the agent", Color::kYellow}});
      continue;
    }
    const v1::KernelQueue& kernel = queue.kernel();
    table.Row({std::to_string(queue.queue()), std::to_string(kernel.port_id()),
               std::to_string(kernel.waiting()), std::to_string(kernel.max_length()),
               CopyWord(kernel), std::to_string(queue.kernel_queue_full()),
               std::to_string(queue.receive_overrun()), std::to_string(queue.numbered())});
  }
}

absl::Status Run(const Options& options, Context& context, Connection& connection) {
  if (absl::Status status = connection.Connect(); !status.ok()) return status;
  v1::GetStatsRequest request;
  request.set_gateway(options.gateway);
  ShortCall call;
  v1::GetStatsResponse response;
  const grpc::Status status = connection.control().GetStats(&call, request, &response);
  if (!status.ok()) return connection.Explain(status, options.gateway);
  if (options.output == "json") {
    for (const v1::QueueStats& queue : response.stats().queues()) {
      PrintJson(queue, JsonFields::kAll, context);
    }
  } else {
    PrintTable(response.stats(), context);
  }
  return absl::OkStatus();
}

}  // namespace

void AddQueueVerb(CLI::App& root, Action* action) {
  CLI::App* const verb = root.add_subcommand("queue", "List a gateway's kernel queues");
  const auto options = std::make_shared<Options>();
  AddGatewayArgument(*verb, &options->gateway);
  AddOutputOption(*verb, &options->output);
  SetExamples(
      *verb,
      {{"sluicectl queue gw1", "how full they are, and what they dropped"},
       {"sluicectl queue gw1 -o json", "one JSON object a queue"}},
      "This is the kernel's list, /proc/net/netfilter/nfnetlink_queue of the gateway, with\n"
      "64-bit counters. OWNER is a netlink port id, for most programs the process id;\n"
      "LIMIT is queues.max_length of the agent's configuration.");
  verb->callback([options, action] {
    *action = [options](Context& context, Connection& connection) {
      return Run(*options, context, connection);
    };
  });
}

}  // namespace sluice::cli
