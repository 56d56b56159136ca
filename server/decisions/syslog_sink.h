#pragma once

#include <string>
#include <vector>

#include "server/decisions/line_sink.h"
#include "server/decisions/unwritten.h"

namespace sluice::server {

// Hands lines to the machine's log as syslog(3) does (facility daemon, level info), but never waits
// for it: what it does not take at once is left out.
class SyslogSink final : public LineSink {
 public:
  explicit SyslogSink(std::string path = "/dev/log");
  ~SyslogSink() override;
  SyslogSink(const SyslogSink&) = delete;
  SyslogSink& operator=(const SyslogSink&) = delete;

  void Write(const std::vector<std::string>& lines) override;

 private:
  // 0, or errno. Connects if need be: the log may be started later, or again.
  int Send(const std::string& line);
  int Connect();

  const std::string path_;
  int fd_ = -1;
  Unwritten unwritten_;
};

}  // namespace sluice::server
