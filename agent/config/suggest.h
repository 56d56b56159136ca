#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::agent {

// The word of `known` that `given` was probably meant to be: at most two letters, and less than
// half of the word, are changed, added, left out or swapped. Empty if there is none.
std::string Suggest(std::string_view given, const std::vector<std::string>& known);

}  // namespace sluice::agent
