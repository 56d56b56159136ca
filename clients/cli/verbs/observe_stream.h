#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "clients/cli/format/table.h"
#include "clients/cli/verb/connection.h"
#include "clients/cli/verb/context.h"
#include "clients/cli/verb/print_json.h"
#include "clients/cli/verbs/observe_filter.h"

namespace sluice::cli {

// How many rows a table holds back to find its layout: none if the next row may take long to come.
inline size_t HeldRows(const ExtentOptions& extent) { return extent.follow ? 0 : 1000; }

// Reads and prints one of ObserveService's streams until its end, `extent.count` entries or ^C.
// `open` makes the call, `is_entry` tells entries from notes that some are missing, `print` puts
// both into the table.
template <typename Response>
absl::Status PrintStream(
    Context& context, Connection& connection, const ExtentOptions& extent, bool json,
    std::vector<Column> columns,
    const std::function<std::unique_ptr<grpc::ClientReader<Response>>(grpc::ClientContext*)>& open,
    const std::function<bool(const Response&)>& is_entry,
    const std::function<void(const Response&, Table&)>& print) {
  const std::stop_token stop = extent.follow ? context.until_interrupt() : std::stop_token();
  LongCall call(stop);
  const auto reader = open(&call);
  std::optional<Table> table;
  if (!json) table.emplace(std::move(columns), context.out, context.color, HeldRows(extent));
  if (extent.follow && table) table->Flush();
  context.out->flush();
  bool enough = false;
  uint64_t entries = 0;
  Response response;
  while (!enough && reader->Read(&response)) {
    if (table) {
      print(response, *table);
    } else {
      PrintJson(response, JsonFields::kPresent, context);
    }
    entries += is_entry(response);
    if (extent.follow) context.out->flush();
    enough = !context.out->good() || (extent.count != 0 && entries >= extent.count);
  }
  if (enough) call.TryCancel();
  const grpc::Status status = reader->Finish();
  if (table) table->Flush();
  if (status.ok() && entries == 0 && !extent.follow) {
    *context.err << "sluicectl: the server remembers nothing that matches\n";
  }
  if (enough || stop.stop_requested()) return absl::OkStatus();
  if (status.ok() && extent.follow) return absl::UnavailableError("the server ended the stream");
  return connection.Explain(status);
}

}  // namespace sluice::cli
