#include "server/journal/line_sinks.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace sluice::server {
namespace {

// The server's own log, which never blocks; lines are lost if it is not read.
class OwnLogSink final : public LineSink {
 public:
  void Write(const std::vector<std::string>& lines) override {
    for (const std::string& line : lines) spdlog::info("{}", line);
  }
};

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<LineSink>>> OpenSinks(
    const std::vector<std::string>& targets) {
  std::vector<std::unique_ptr<LineSink>> sinks;
  for (const std::string& target : targets) {
    if (target == "syslog") {
      sinks.push_back(std::make_unique<SyslogSink>());
      continue;
    }
    auto file = FileSink::Open(target);
    if (!file.ok()) return file.status();
    sinks.push_back(*std::move(file));
  }
  if (sinks.empty()) sinks.push_back(std::make_unique<OwnLogSink>());
  return sinks;
}

}  // namespace sluice::server
