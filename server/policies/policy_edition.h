#pragma once

#include <cstdint>

namespace sluice::server {

// Which policy decides: its version, and how often its sets and names were read again (revision).
// Gateways forget what they remember of another edition.
struct PolicyEdition {
  uint64_t version = 0;
  uint64_t revision = 0;

  bool operator==(const PolicyEdition& other) const = default;
};

}  // namespace sluice::server
