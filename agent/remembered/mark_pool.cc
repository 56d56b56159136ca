#include "agent/remembered/mark_pool.h"

#include <spdlog/spdlog.h>

#include <bit>
#include <string>

namespace sluice::agent {

uint32_t MarkPool::Give() {
  if (mask_ == 0) return 0;
  if (clean_ == 0) MakeRoom();
  if (clean_ == 0) return 0;
  next_ = (next_ + std::countr_zero(std::rotr(clean_, next_))) % 64;
  const int number = next_;
  next_ = (number + 1) % 64;
  given_ |= uint64_t{1} << number;
  clean_ &= ~(uint64_t{1} << number);
  return ConnectionMark(mask_, static_cast<uint32_t>(number));
}

std::vector<uint32_t> MarkPool::given() const {
  std::vector<uint32_t> marks;
  for (uint32_t number = 0; number < kConnectionMarkCount; ++number) {
    if (given_ >> number & 1) marks.push_back(ConnectionMark(mask_, number));
  }
  return marks;
}

void MarkPool::Prepare() {
  const bool borne = ~(given_ | clean_) != 0;
  if (mask_ != 0 && borne && std::popcount(clean_) < kFew) MakeRoom();
}

void MarkPool::MakeRoom() {
  if (~given_ == 0) return;  // All are of this generation.
  const absl::StatusOr<uint64_t> swept = sweep_(mask_, given());
  if (!swept.ok()) {
    spdlog::warn("accepted connections are remembered for a minute only: {}",
                 std::string(swept.status().message()));
    return;
  }
  clean_ = ~given_;
}

}  // namespace sluice::agent
