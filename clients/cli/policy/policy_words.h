#pragma once

#include <cstdint>
#include <string>

#include "sluice/v1/control.pb.h"

namespace sluice::cli {

// "1 rule", "7 rules".
std::string Rules(uint32_t count);

// "version 3 (my.policy, 7 rules)".
std::string Describe(const v1::Policy& policy);

}  // namespace sluice::cli
