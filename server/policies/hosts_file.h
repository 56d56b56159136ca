#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/policy/checker/known_names.h"

namespace sluice::server {

// The last known addresses of the hosts and networks named in a version of the policy, as a file
// that people can read:
//
//   sluice names, format 1
//   host mail.example.net 192.0.2.1 2001:db8::1
//   network campus 128.1.0.0
//   sum: 5f6e1c0d9a8b7c3d
//
// Names are words of the policy language, which contain neither spaces nor line ends.
std::string FormatHostsFile(const policy::NameMeanings& names);

// Total: returns DATA_LOSS with the reason for anything that FormatHostsFile does not write, such
// as torn and altered files.
absl::StatusOr<policy::NameMeanings> ParseHostsFile(std::string_view file);

}  // namespace sluice::server
