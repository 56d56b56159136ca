#pragma once

#include <optional>
#include <string>

namespace sluice::cli {

// Reads lines from a file descriptor and can be told to stop waiting for the next one, which a
// stream cannot. Used by one thread, but for Stop.
class LineReader final {
 public:
  explicit LineReader(int fd /* Not owned. */);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // The next line without its end; none at the end of the file and after Stop.
  std::optional<std::string> Next();
  // Any thread, any number of times: there is no next line any more.
  void Stop();

 private:
  // False: there is nothing more.
  bool Fill();

  const int fd_;
  const int stop_fd_;
  std::string text_;  // read, not handed out
};

}  // namespace sluice::cli
