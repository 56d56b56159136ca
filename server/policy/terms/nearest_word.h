#pragma once

#include <span>
#include <string_view>

namespace sluice::server::policy {

// The word of `known` that `given` was probably meant to be. At most two letters, and at most half
// of the word, may be changed, added, left out or swapped with a neighbour. Of equally near words,
// the first. Empty if none is near, or if `given` is in `known`.
std::string_view NearestWord(std::string_view given, std::span<const std::string_view> known);

}  // namespace sluice::server::policy
