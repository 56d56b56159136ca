#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/policy/address.h"

namespace sluice::server::policy {

// The fewest prefixes that have just the addresses from `first` to `last`: at most 62 for IPv4 and
// 254 for IPv6. INVALID_ARGUMENT: they are of different families, or in the other order. The
// message does not say which they are.
absl::StatusOr<std::vector<AddressPattern>> CoverRange(const Address& first, const Address& last);

}  // namespace sluice::server::policy
