#pragma once

#include <string>
#include <vector>

#include "clients/cli/verb/context.h"

namespace sluice::cli {

// sluicectl without the process around it: does what `arguments` (without the program's name) ask
// for and returns the exit code. 0: done; 1: failed; 2: usage error.
int Run(const std::vector<std::string>& arguments, Context& context);

}  // namespace sluice::cli
