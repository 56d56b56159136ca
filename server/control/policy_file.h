#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/control/policy_record.h"

namespace sluice::server {

// A version of the policy as a file that people can read: a header of `key: value` lines, then the
// policy's text and each file it includes, byte for byte behind a line that says whose it is.
//
//   sluice policy, format 1
//   version: 12
//   applied: 2026-11-21T16:36:37.123456789+00:00
//   author: "alice@desk"
//   source: "gateway.policy"
//   rules: 2
//   confirmed: yes
//   text: 31 bytes
//   file: 12 bytes "lists/servers"
//   sum: 5f6e1c0d9a8b7c3d
//
//   --- the policy
//   …
//   --- "lists/servers"
//   …
std::string FormatPolicyFile(const PolicyRecord& record);

// Total: DATA_LOSS for whatever FormatPolicyFile does not write, torn and altered files among it,
// with the reason.
absl::StatusOr<PolicyRecord> ParsePolicyFile(std::string_view file);

}  // namespace sluice::server
