#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace sluice::loadgen {

// The packets that one simulated agent has asked about, in batches of equal size, with ids that
// count up from 1. Checks that each is answered once. Used by one thread.
class PendingBatches final {
 public:
  explicit PendingBatches(uint32_t batch) : batch_(batch) {}

  // Adds a batch that was sent, and returns the id of its first packet.
  uint64_t Add(int64_t now_ns);

  struct Answered {
    // The packet waited for an answer. If false, it was never sent, was answered before, or the
    // answer came too late.
    bool known = false;
    // How long the batch took, if this was the last packet of it.
    std::optional<int64_t> round_trip_ns;
  };
  Answered Answer(uint64_t id, int64_t now_ns);

  // Gives up batches that were added before `before_ns`, and returns how many of their packets had
  // no answer.
  uint64_t Expire(int64_t before_ns);

  // Batches with an unanswered packet.
  size_t size() const { return waiting_; }

 private:
  struct Batch {
    int64_t added_ns = 0;
    uint32_t unanswered = 0;
    std::vector<bool> answered;  // by packet
  };

  void DropAnswered();

  const uint32_t batch_;
  uint64_t front_ = 0;  // Number of the first batch in batches_, from 0.
  size_t waiting_ = 0;
  std::deque<Batch> batches_;
};

}  // namespace sluice::loadgen
