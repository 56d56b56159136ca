#pragma once

#include <chrono>
#include <cstdint>
#include <string>

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

}  // namespace sluice::server
