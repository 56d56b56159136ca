#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace sluice::server {

// FNV-1a, 64 bits, of the concatenated parts, in hexadecimal. It detects torn and altered files,
// but not forged ones.
inline std::string FileSum(std::initializer_list<std::string_view> parts) {
  uint64_t sum = 14695981039346656037u;
  for (const std::string_view part : parts) {
    for (const char byte : part) sum = (sum ^ static_cast<uint8_t>(byte)) * 1099511628211u;
  }
  return absl::StrCat(absl::Hex(sum, absl::kZeroPad16));
}

}  // namespace sluice::server
