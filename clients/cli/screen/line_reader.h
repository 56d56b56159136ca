#pragma once

#include <optional>
#include <string>

namespace sluice::cli {

// Reads lines from a file descriptor. Unlike a std::istream, it can be told to stop waiting for the
// next line. Used by one thread, except Stop.
class LineReader final {
 public:
  explicit LineReader(int fd /* Not owned. */);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // The next line without its line end; none at the end of the file and after Stop.
  std::optional<std::string> Next();
  // From now on there is no next line. Any thread, any number of times.
  void Stop();

 private:
  // Reads more text; false at the end of the file or after Stop.
  bool Fill();

  const int fd_;
  const int stop_fd_;
  std::string text_;  // read, not handed out
};

}  // namespace sluice::cli
