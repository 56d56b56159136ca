#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/decisions/line_sink.h"
#include "server/decisions/unwritten.h"

namespace sluice::server {

// Appends lines to a file, which it makes if need be, readable by its group.
class FileSink final : public LineSink {
 public:
  // As errno says.
  static absl::StatusOr<std::unique_ptr<FileSink>> Open(std::string path);
  ~FileSink() override;
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

  void Write(const std::vector<std::string>& lines) override;
  // Where that fails it goes on with the file it has, and logs why.
  void Reopen() override;

 private:
  FileSink(std::string path, int fd);

  const std::string path_;
  int fd_;
  Unwritten unwritten_;
  bool torn_ = false;  // The last line was written in part: the next begins on a line of its own.
};

}  // namespace sluice::server
