#include <spdlog/spdlog.h>

#include <cstring>

#include "server/journal/decision_line.h"
#include "server/journal/line_sinks.h"

namespace sluice::server {

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

}  // namespace sluice::server
