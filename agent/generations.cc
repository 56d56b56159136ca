#include "agent/generations.h"

#include <spdlog/spdlog.h>

#include <bit>
#include <string>

namespace sluice::agent {

uint32_t Generations::Give() {
  if (mask_ == 0) return 0;
  if (clean_ == 0) MakeRoom();
  if (clean_ == 0) return 0;
  next_ = (next_ + std::countr_zero(std::rotr(clean_, next_))) % 64;
  const int number = next_;
  next_ = (number + 1) % 64;
  given_ |= uint64_t{1} << number;
  clean_ &= ~(uint64_t{1} << number);
  return GenerationMark(mask_, static_cast<uint32_t>(number));
}

std::vector<uint32_t> Generations::given() const {
  std::vector<uint32_t> marks;
  for (uint32_t number = 0; number < kGenerations; ++number) {
    if (given_ >> number & 1) marks.push_back(GenerationMark(mask_, number));
  }
  return marks;
}

void Generations::Prepare() {
  const bool borne = ~(given_ | clean_) != 0;
  if (mask_ != 0 && borne && std::popcount(clean_) < kFew) MakeRoom();
}

void Generations::MakeRoom() {
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
