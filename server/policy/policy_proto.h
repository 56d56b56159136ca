#pragma once

#include <string>
#include <vector>

#include "server/policy/language/includes.h"
#include "server/policy/terms/problems.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server::policy {

// Views of the texts of `policy`, which must outlive the result.
PolicyTexts TextsOf(const v1::PolicyText& policy);

// A problem as people and tools are shown it. `files`: names by Place::file.
v1::PolicyProblem ToProto(const Problem& problem, const std::vector<std::string>& files);

}  // namespace sluice::server::policy
