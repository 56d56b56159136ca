#include "clients/loadgen/pending_batches.h"

#include <utility>

namespace sluice::loadgen {

uint64_t PendingBatches::Add(int64_t now_ns) {
  const uint64_t number = front_ + batches_.size();
  batches_.push_back({now_ns, batch_, std::vector<bool>(batch_)});
  ++waiting_;
  return number * batch_ + 1;
}

PendingBatches::Answered PendingBatches::Answer(uint64_t id, int64_t now_ns) {
  // An id of 0 wraps to a number larger than all.
  const uint64_t number = (id - 1) / batch_;
  if (number < front_ || number - front_ >= batches_.size()) return {};
  Batch& batch = batches_[number - front_];
  auto answered = batch.answered[(id - 1) % batch_];
  if (answered) return {};
  answered = true;
  if (--batch.unanswered > 0) return {.known = true, .round_trip_ns = std::nullopt};
  const int64_t round_trip_ns = now_ns - batch.added_ns;
  --waiting_;
  DropAnswered();
  return {.known = true, .round_trip_ns = round_trip_ns};
}

uint64_t PendingBatches::Expire(int64_t before_ns) {
  uint64_t stale = 0;
  while (!batches_.empty() && batches_.front().added_ns < before_ns) {
    stale += batches_.front().unanswered;
    if (batches_.front().unanswered > 0) --waiting_;
    batches_.pop_front();
    ++front_;
  }
  DropAnswered();
  return stale;
}

void PendingBatches::DropAnswered() {
  while (!batches_.empty() && batches_.front().unanswered == 0) {
    batches_.pop_front();
    ++front_;
  }
}

}  // namespace sluice::loadgen
