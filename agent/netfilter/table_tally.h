#pragma once

#include <cstdint>

namespace sluice::agent {

// A 64-bit total of kernel counters that come and go with the table that holds them. A value.
class TableTally final {
 public:
  // The counter stands at `packets` now. Less than before: others have reset it.
  void See(uint64_t packets) {
    if (packets < live_) gone_ += live_;
    live_ = packets;
  }

  // The counter is gone; its successor starts at 0.
  void Fold() {
    gone_ += live_;
    live_ = 0;
  }

  uint64_t total() const { return gone_ + live_; }

 private:
  uint64_t gone_ = 0;  // What earlier counters had.
  uint64_t live_ = 0;  // What the present one had when last seen.
};

}  // namespace sluice::agent
