#pragma once

#include <string>
#include <vector>

#include "server/policy/includes.h"
#include "server/policy/problems.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server::policy {

// A policy's texts as they came over the wire, and must outlive the result.
PolicyTexts TextsOf(const v1::PolicyText& policy);

// For people and tools; `files` are the names by Place::file.
v1::PolicyProblem ToProto(const Problem& problem, const std::vector<std::string>& files);

}  // namespace sluice::server::policy
