#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::server {

// Counts the lines that a sink could not write, and logs an error at most once a minute.
class Unwritten final {
 public:
  // `name` is the sink's name.
  explicit Unwritten(std::string name) : name_(std::move(name)) {}

  // Counts `lines` more; `error` is the errno.
  void Add(uint64_t lines, int error, std::chrono::steady_clock::time_point now);
  // The line that takes their place; empty if there are none.
  std::string Line() const;
  // Called once that line has been written.
  void Told() { lines_ = 0; }

 private:
  const std::string name_;
  uint64_t lines_ = 0;
  int error_ = 0;
  std::chrono::steady_clock::time_point complain_;  // When the next error may be logged.
};

// Where lines are written. Used by one thread, which it may block.
class LineSink {
 public:
  virtual ~LineSink() = default;

  // Writes lines, given without line ends. Those that cannot be written are counted; a line says
  // how many as soon as lines can be written again.
  virtual void Write(const std::vector<std::string>& lines) = 0;
  // The file may have been renamed: continue with the one that has its name now.
  virtual void Reopen() {}
};

// Appends lines to a file. Creates it if needed, readable by its group.
class FileSink final : public LineSink {
 public:
  // Errors are those of errno.
  static absl::StatusOr<std::unique_ptr<FileSink>> Open(std::string path);
  ~FileSink() override;
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

  void Write(const std::vector<std::string>& lines) override;
  // If that fails, it keeps the file it has and logs why.
  void Reopen() override;

 private:
  FileSink(std::string path, int fd);

  const std::string path_;
  int fd_;
  Unwritten unwritten_;
  bool torn_ = false;  // The last line was written in part, so a line end comes first.
};

// Sends lines to the machine's log as syslog(3) does (facility daemon, level info), but never waits
// for it: lines that it does not take at once are left out.
class SyslogSink final : public LineSink {
 public:
  explicit SyslogSink(std::string path = "/dev/log");
  ~SyslogSink() override;
  SyslogSink(const SyslogSink&) = delete;
  SyslogSink& operator=(const SyslogSink&) = delete;

  void Write(const std::vector<std::string>& lines) override;

 private:
  // Returns 0 or errno. Connects if needed: the machine's log may be started later, or restarted.
  int Send(const std::string& line);
  int Connect();

  const std::string path_;
  int fd_ = -1;
  Unwritten unwritten_;
};

// Opens a sink for each target: "syslog", or the path of a file. Without targets, the server's own
// log. If a file cannot be opened, the error is that of errno.
absl::StatusOr<std::vector<std::unique_ptr<LineSink>>> OpenSinks(
    const std::vector<std::string>& targets);

}  // namespace sluice::server
