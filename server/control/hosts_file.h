#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/policy/known_names.h"

namespace sluice::server {

// What the hosts and networks in a version of the policy meant last, as a file that people can
// read:
//
//   sluice names, format 1
//   host mail.example.net 192.0.2.1 2001:db8::1
//   network campus 128.1.0.0
//   sum: 5f6e1c0d9a8b7c3d
//
// A word of the policy language has neither spaces nor line ends in it.
std::string FormatHostsFile(const policy::NameMeanings& names);

// Total: DATA_LOSS for whatever FormatHostsFile does not write, torn and altered files among it,
// with the reason.
absl::StatusOr<policy::NameMeanings> ParseHostsFile(std::string_view file);

}  // namespace sluice::server
