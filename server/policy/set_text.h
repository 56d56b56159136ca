#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/policy/address.h"

namespace sluice::server::policy {

// Addresses the sets of one policy may have in all.
inline constexpr size_t kMostSetAddresses = 4'000'000;

// What a set's file says: an address or prefix a line; `#` begins a comment. Stops one behind the
// most there may be. INVALID_ARGUMENT: a line says something else. The message, which calls the
// file `path`, says which, but not what is in it: it may be any file that the server can read.
absl::StatusOr<std::vector<AddressPattern>> ParseSetText(std::string_view text,
                                                         std::string_view path);

}  // namespace sluice::server::policy
