#pragma once

#include <google/protobuf/message.h>

#include "clients/cli/context.h"
#include "clients/cli/json.h"
#include "clients/cli/text.h"
#include "proto/text/text.h"

namespace sluice::cli {

// Prints `message` as a line of JSON. Where there is none for it nothing is printed, stderr says
// why, and the run fails, though it goes on.
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
