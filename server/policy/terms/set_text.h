#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/policy/terms/address.h"

namespace sluice::server::policy {

// Most addresses that the sets of one policy may have in all.
inline constexpr size_t kMostSetAddresses = 4'000'000;

// Reads the text of a set's file, in the format in which lists of addresses are published: each
// line has an address, a prefix or a range (10.0.0.1-10.0.0.9), perhaps followed by a number. `#`
// and `;` begin a comment. Lines end with \n, \r\n or \r, and a byte order mark may come first.
// Stops when there is one address more than kMostSetAddresses. INVALID_ARGUMENT: a line says
// something else. The message, which calls the file `path`, says which line and why. It shows only
// addresses of the file, since the author of the policy may not be allowed to read it.
absl::StatusOr<std::vector<AddressPattern>> ParseSetText(std::string_view text,
                                                         std::string_view path);

}  // namespace sluice::server::policy
