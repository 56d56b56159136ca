#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/policies/policy_record.h"

namespace sluice::server {

// A version of the policy as a file that people can read: a header of `key: value` lines, then the
// policy's text and each file it includes, byte for byte after a line that names it.
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

// Total: returns DATA_LOSS with the reason for anything that FormatPolicyFile does not write, such
// as torn and altered files.
absl::StatusOr<PolicyRecord> ParsePolicyFile(std::string_view file);

}  // namespace sluice::server
