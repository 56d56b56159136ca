#pragma once

#include <cstdint>

#include "absl/hash/hash.h"
#include "sluice/v1/conntrack.pb.h"

namespace sluice::agent {

// Tells connections of the kernel's table apart. The kernel's id alone has 32 bits, too few for a
// table of a million.
inline uint64_t FlowKey(const v1::Flow& flow) {
  return absl::HashOf(flow.id(), flow.zone(), flow.original().SerializeAsString());
}

}  // namespace sluice::agent
