#pragma once

#include <array>
#include <cstdint>

#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

// What was done with a packet, for the kernel's purposes.
enum class Passed : uint8_t { kDropped = 0, kAccepted = 1, kRequeued = 2, kRepeated = 3 };
inline constexpr size_t kPassedCount = 4;

// Counts the packets of one queue so that they always add up (stats.proto, QueueStats): each
// received packet is settled once, for one cause, or still pending. 64 bits, never reset. One
// thread.
class Counters final {
 public:
  void Received() { ++received_; }
  void Settle(v1::Cause cause, Passed passed) { ++settled_[cause][Index(passed)]; }
  // A packet that was settled turns out to have been settled otherwise.
  void Resettle(v1::Cause was, Passed passed, v1::Cause is) {
    --settled_[was][Index(passed)];
    Settle(is, Passed::kDropped);
  }

  // Answers that decided nothing.
  uint64_t late = 0;
  uint64_t duplicate = 0;
  uint64_t unknown = 0;
  uint64_t wrong_owner = 0;
  // Beside the identity; see stats.proto.
  uint64_t held = 0;
  uint64_t asked_again = 0;
  uint64_t shadow_refused = 0;
  uint64_t unnotified = 0;

  uint64_t received() const { return received_; }
  void Fill(v1::QueueStats& stats) const;

 private:
  static size_t Index(Passed passed) { return static_cast<size_t>(passed); }

  uint64_t received_ = 0;
  std::array<std::array<uint64_t, kPassedCount>, v1::Cause_ARRAYSIZE> settled_{};
};

}  // namespace sluice::agent
