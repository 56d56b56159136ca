#pragma once

#include <array>
#include <cstdint>

#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

// What was done with a packet in the end.
enum class Disposition : uint8_t { kDropped = 0, kAccepted = 1, kRequeued = 2, kRepeated = 3 };
inline constexpr size_t kDispositionCount = 4;

// What happens to a packet without a verdict. Malformed packets are dropped whatever the operator
// chose: no decider could have read them either. Once the mode is off, everything is forwarded.
inline Disposition Fallback(v1::Cause cause, bool fail_open) {
  if (cause == v1::CAUSE_MALFORMED) return Disposition::kDropped;
  if (cause == v1::CAUSE_MODE_OFF) return Disposition::kAccepted;
  return fail_open ? Disposition::kAccepted : Disposition::kDropped;
}

// A 32-bit kernel counter extended to 64 bits. Update it at least once in every 2^32 counts.
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

// Counts the packets of one queue so that they always add up (stats.proto, QueueStats): each
// received packet is either settled, once and for one cause, or still pending. Counters have 64
// bits and are never reset. One thread.
class Counters final {
 public:
  void Received() { ++received_; }
  void Settle(v1::Cause cause, Disposition disposition) { ++settled_[cause][Index(disposition)]; }
  // A packet was settled with `was` and `disposition`, but was dropped in the end, because of `is`.
  void Resettle(v1::Cause was, Disposition disposition, v1::Cause is) {
    --settled_[was][Index(disposition)];
    Settle(is, Disposition::kDropped);
  }

  // Answers that decided nothing.
  uint64_t late = 0;
  uint64_t duplicate = 0;
  uint64_t unknown = 0;
  uint64_t wrong_owner = 0;
  // Not part of the identity; see stats.proto.
  uint64_t held = 0;
  uint64_t asked_again = 0;
  uint64_t shadow_dropped = 0;
  uint64_t unnotified = 0;

  uint64_t received() const { return received_; }
  void Fill(v1::QueueStats& stats) const;

 private:
  static size_t Index(Disposition disposition) { return static_cast<size_t>(disposition); }

  uint64_t received_ = 0;
  std::array<std::array<uint64_t, kDispositionCount>, v1::Cause_ARRAYSIZE> settled_{};
};

}  // namespace sluice::agent
