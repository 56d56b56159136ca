#include "tests/bench/programs/message_counter.h"

#include <algorithm>

namespace sluice::bench {
namespace {

constexpr uint8_t kDataFrame = 0;

size_t Take(std::span<const uint8_t>& bytes, size_t& wanted) {
  const size_t taken = std::min(bytes.size(), wanted);
  bytes = bytes.subspan(taken);
  wanted -= taken;
  return taken;
}

}  // namespace

template <size_t kSize>
bool MessageCounter::Collect(std::span<const uint8_t>& bytes, std::array<uint8_t, kSize>& header,
                             size_t& collected) {
  const size_t taken = std::min(bytes.size(), kSize - collected);
  std::copy_n(bytes.begin(), taken, header.begin() + static_cast<ptrdiff_t>(collected));
  bytes = bytes.subspan(taken);
  collected += taken;
  if (collected < kSize) return false;
  collected = 0;
  return true;
}

void MessageCounter::Feed(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    if (skip_ != 0) {
      Take(bytes, skip_);
    } else if (data_left_ != 0) {
      const auto data = bytes.first(std::min(bytes.size(), data_left_));
      Take(bytes, data_left_);
      FeedData(data);
    } else if (Collect(bytes, frame_, frame_collected_)) {
      const size_t length = size_t{frame_[0]} << 16 | size_t{frame_[1]} << 8 | frame_[2];
      (frame_[3] == kDataFrame ? data_left_ : skip_) = length;
    }
  }
}

void MessageCounter::FeedData(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    if (message_left_ != 0) {
      Take(bytes, message_left_);
    } else if (Collect(bytes, prefix_, prefix_collected_)) {
      message_left_ = size_t{prefix_[1]} << 24 | size_t{prefix_[2]} << 16 |
                      size_t{prefix_[3]} << 8 | prefix_[4];
      ++messages_;
    }
  }
}

}  // namespace sluice::bench
