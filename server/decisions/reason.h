#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace sluice::server {

// The reason of a verdict that somebody else than the policy gave: who, and theirs if they gave
// one. As much as the wire promises to keep, no character cut in two.
inline std::string LateReason(std::string_view who, const std::string& theirs) {
  constexpr size_t kKept = 256;
  std::string reason(who);
  if (!theirs.empty()) absl::StrAppend(&reason, ": ", theirs);
  if (reason.size() <= kKept) return reason;
  size_t end = kKept;
  while (end > 0 && (static_cast<uint8_t>(reason[end]) & 0xc0) == 0x80) --end;
  reason.resize(end);
  return reason;
}

}  // namespace sluice::server
