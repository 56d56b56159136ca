#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// A policy that includes nothing.
v1::PolicyText PolicyOf(std::string text, std::string source);

// A version of the policy as it is kept in the history.
struct PolicyRecord {
  uint64_t version = 0;
  v1::PolicyText text = {};
  std::string author = {};
  std::chrono::system_clock::time_point applied = {};
  uint32_t rule_count = 0;
  // False while it is to be confirmed: the last confirmed version comes back unless somebody
  // confirms this one.
  bool confirmed = true;

  v1::Policy ToProto() const;
};

// Version 0, which always exists: `default reject`.
PolicyRecord BuiltInPolicy();

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

// FNV-1a, 64 bits, of the concatenated parts, in hexadecimal. It detects torn and altered files,
// but not forged ones.
inline std::string FileSum(std::initializer_list<std::string_view> parts) {
  uint64_t sum = 14695981039346656037u;
  for (const std::string_view part : parts) {
    for (const char byte : part) sum = (sum ^ static_cast<uint8_t>(byte)) * 1099511628211u;
  }
  return absl::StrCat(absl::Hex(sum, absl::kZeroPad16));
}

}  // namespace sluice::server
