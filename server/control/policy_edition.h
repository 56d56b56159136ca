#pragma once

#include <cstdint>

namespace sluice::server {

// Which policy decides: its version, and how often its set files were read again. What a gateway
// remembers of another edition is void.
struct PolicyEdition {
  uint64_t version = 0;
  uint64_t revision = 0;

  bool operator==(const PolicyEdition& other) const = default;
};

}  // namespace sluice::server
