#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/decisions/line_sink.h"

namespace sluice::server {

// For each target a sink: "syslog", or the path of a file. For none the server's own log. As errno
// says, if a file cannot be opened.
absl::StatusOr<std::vector<std::unique_ptr<LineSink>>> OpenSinks(
    const std::vector<std::string>& targets);

}  // namespace sluice::server
