#include "agent/generations.h"

#include <spdlog/spdlog.h>

#include <string>

namespace sluice::agent {

uint32_t Generations::Next() {
  if (mask_ == 0) return 0;
  if (free_ == 0) MakeRoom();
  if (free_ == 0) return current_ = 0;
  current_ = GenerationMark(mask_, number_);
  number_ = (number_ + 1) % kGenerations;
  --free_;
  return current_;
}

void Generations::Prepare() {
  if (mask_ != 0 && free_ < kFew) MakeRoom();
}

void Generations::MakeRoom() {
  const absl::StatusOr<uint64_t> swept = sweep_(mask_, current_);
  if (!swept.ok()) {
    spdlog::warn("accepted connections cannot be remembered: {}",
                 std::string(swept.status().message()));
    return;
  }
  free_ = current_ == 0 ? kGenerations : kGenerations - 1;
}

}  // namespace sluice::agent
