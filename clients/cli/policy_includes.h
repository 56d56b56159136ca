#pragma once

#include <set>
#include <string>

#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// The names, as in v1::PolicyFile, of the files that `include` statements of the policy's own text
// and of the files it has already name. A server says which of them it lacks; what else it says it
// lacks is none of its business. Total: any bytes name some.
std::set<std::string> IncludedNames(const v1::PolicyText& policy);

}  // namespace sluice::cli
