#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace sluice::server {

// Lines a sink could not write: counted, and complained of once a minute.
class Unwritten final {
 public:
  // `name` is the sink's.
  explicit Unwritten(std::string name) : name_(std::move(name)) {}

  // So many more, for the reason errno gives.
  void Add(uint64_t lines, int error, std::chrono::steady_clock::time_point now);
  // The line that stands for them; empty if there are none.
  std::string Line() const;
  // That line has been written.
  void Told() { lines_ = 0; }

 private:
  const std::string name_;
  uint64_t lines_ = 0;
  int error_ = 0;
  std::chrono::steady_clock::time_point complain_;  // Not again before.
};

}  // namespace sluice::server
