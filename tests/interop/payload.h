#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::interop {

// The payload of `size` bytes, as interop.proto says.
inline std::string Payload(size_t size) {
  std::string payload(size, '\0');
  for (size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i % 251);
  return payload;
}

// Whether nothing of it is missing, doubled or misplaced.
inline bool IsPayload(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != static_cast<char>(i % 251)) return false;
  }
  return true;
}

}  // namespace sluice::interop
