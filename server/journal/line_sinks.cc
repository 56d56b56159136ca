#include "server/journal/line_sinks.h"

#include <spdlog/spdlog.h>

#include <cstring>
#include <utility>

#include "server/journal/decision_line.h"

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

void Unwritten::Add(uint64_t lines, int error, std::chrono::steady_clock::time_point now) {
  lines_ += lines;
  error_ = error;
  if (now < complain_) return;
  complain_ = now + std::chrono::minutes(1);
  spdlog::error("{}: {} lines of the log of decisions could not be written: {}", name_, lines_,
                std::strerror(error_));
}

std::string Unwritten::Line() const {
  if (lines_ == 0) return "";
  return LeftOutLine(std::chrono::system_clock::now(), "", lines_, std::strerror(error_));
}

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
