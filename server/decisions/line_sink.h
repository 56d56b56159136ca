#pragma once

#include <string>
#include <vector>

namespace sluice::server {

// Where lines go. Used by one thread, which it may hold up.
class LineSink {
 public:
  virtual ~LineSink() = default;

  // Lines without their ends. What cannot be written is counted, and said in a line of its own as
  // soon as lines can be written again.
  virtual void Write(const std::vector<std::string>& lines) = 0;
  // The file may have been renamed: go on with the one that has its name now.
  virtual void Reopen() {}
};

}  // namespace sluice::server
