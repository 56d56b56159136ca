#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace sluice::server::policy {

// Whether libpcap can read the expression without asking a name server, and what it asks for is in
// an IP packet; if not, INVALID_ARGUMENT with the word that is in the way. Splits the expression
// into words as libpcap does, but checks no grammar.
absl::Status CheckMatchWords(std::string_view expression);

}  // namespace sluice::server::policy
