#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// Reads the policy at `path` and the files it includes, relative to it. Included files that cannot
// be read are listed in `unreadable` and left out; applying the policy then reports who includes
// them. NOT_FOUND: the policy itself cannot be read.
absl::StatusOr<v1::PolicyText> LoadPolicy(const std::string& path,
                                          std::vector<std::string>* unreadable);

}  // namespace sluice::server
