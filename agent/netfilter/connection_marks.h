#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/netfilter/remembered_entries.h"

namespace sluice::agent {

// The connections whose marks say that they were accepted as a whole (GenerationMark). Each call
// asks conntrack anew, and takes as long as a walk over the connection table does; any thread.
// `mask` are the bits of connection marks that are ours.

// Takes the marks of every generation but those to keep off the connections that bear them, so that
// they can be used anew. Returns how many there were.
absl::StatusOr<uint64_t> SweepGenerations(uint32_t mask, const std::vector<uint32_t>& keep);

// The connections that bear one of those marks, each by its first packet; up to `limit`, 0 for all.
absl::StatusOr<std::vector<RememberedEntry>> ListGeneration(uint32_t mask,
                                                            const std::vector<uint32_t>& marks,
                                                            size_t limit);

}  // namespace sluice::agent
