#pragma once

#include <cstdint>

namespace sluice::agent {

// A 32-bit kernel counter carried on in 64 bits. Read it at least once while it counts up to 2^32.
class WideCounter final {
 public:
  void Update(uint32_t value) {
    total_ += static_cast<uint32_t>(value - last_);
    last_ = value;
  }
  uint64_t total() const { return total_; }

 private:
  uint32_t last_ = 0;
  uint64_t total_ = 0;
};

}  // namespace sluice::agent
