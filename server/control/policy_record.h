#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/v1/control.pb.h"

namespace sluice::server {

// A policy that includes nothing.
v1::PolicyText PolicyOf(std::string text, std::string source);

// A version of the policy, as it is kept.
struct PolicyRecord {
  uint64_t version = 0;
  v1::PolicyText text = {};
  std::string author = {};
  std::chrono::system_clock::time_point applied = {};
  uint32_t rule_count = 0;
  // False while it is on approval: the last confirmed one comes back unless somebody confirms it.
  bool confirmed = true;

  v1::Policy ToProto() const;
};

// Version 0, which is always there: `default reject`.
PolicyRecord BuiltInPolicy();

}  // namespace sluice::server
