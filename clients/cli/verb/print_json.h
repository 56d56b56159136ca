#pragma once

#include <google/protobuf/message.h>

#include "clients/cli/format/json.h"
#include "clients/cli/format/text.h"
#include "clients/cli/verb/context.h"
#include "proto/text/text.h"

namespace sluice::cli {

// Prints `message` as a line of JSON. If JSON cannot represent it, nothing is printed, stderr says
// why, and the run goes on but ends with the exit code of a failure.
inline void PrintJson(const google::protobuf::Message& message, JsonFields fields,
                      Context& context) {
  const absl::StatusOr<std::string> json = ToJson(message, fields);
  if (json.ok()) {
    *context.out << *json << '\n';
    return;
  }
  *context.err << "sluicectl: " << OneLine(std::string(json.status().message())) << '\n';
  context.done = context.failed;
}

}  // namespace sluice::cli
