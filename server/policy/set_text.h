#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/policy/address.h"

namespace sluice::server::policy {

// Addresses the sets of one policy may have in all.
inline constexpr size_t kMostSetAddresses = 4'000'000;

// What a set's file says, as lists of addresses are published: an address, a prefix or a range
// (10.0.0.1-10.0.0.9) a line, perhaps with a number behind it; `#` and `;` begin a comment; lines
// end as on any system, and a byte order mark may be in front. Stops one behind the most addresses
// there may be. INVALID_ARGUMENT: a line says something else. The message, which calls the file
// `path`, says which and why, but shows nothing of it that is not an address: the file may be meant
// for others than whoever wrote the policy.
absl::StatusOr<std::vector<AddressPattern>> ParseSetText(std::string_view text,
                                                         std::string_view path);

}  // namespace sluice::server::policy
