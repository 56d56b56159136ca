#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/netfilter/remembered/remembered_entries.h"

namespace sluice::agent {

// For the connections whose marks say that they were accepted as a whole (ConnectionMark). Each
// call asks conntrack anew, and takes as long as a walk over the connection table; any thread.
// `mask` are the agent's bits of connection marks.

// Clears the marks of all generations, except those in `keep`, from the connections that bear them,
// so that the marks can be used anew. Returns how many connections bore one.
absl::StatusOr<uint64_t> SweepMarks(uint32_t mask, const std::vector<uint32_t>& keep);

// The connections that bear one of `marks`, each by its first packet; up to `limit`, 0 for all.
absl::StatusOr<std::vector<RememberedEntry>> ListMarked(uint32_t mask,
                                                        const std::vector<uint32_t>& marks,
                                                        size_t limit);

}  // namespace sluice::agent
