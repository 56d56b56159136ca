#pragma once

#include <span>
#include <string_view>

namespace sluice::server::policy {

// Of `known`, the word `given` was probably meant to be: at most two letters, and at most half
// of the word, changed, added, left out or swapped with a neighbour; the first of equally near
// ones. Empty if there is none, or if it is `given` itself.
std::string_view NearestWord(std::string_view given, std::span<const std::string_view> known);

}  // namespace sluice::server::policy
