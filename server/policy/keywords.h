#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace sluice::server::policy {

// Words that have a meaning wherever they stand, and so cannot be a name; a host called so is
// written in capitals. All keywords are lower-case.
inline constexpr std::array<std::string_view, 29> kKeywords = {
    "accept",   "and",  "any",      "between",  "default",   "for",     "from",    "host",
    "host-not", "icmp", "is",       "log",      "net",       "net-not", "netmask", "not",
    "notify",   "port", "port-not", "proto",    "proto-not", "reject",  "subnet",  "subnet-not",
    "tcp",      "to",   "type",     "type-not", "udp"};

inline constexpr bool IsKeyword(std::string_view word) {
  return std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
}

// Words a statement begins with. Those that are screend's are keywords; the others are none, since
// a legal screend file may have hosts called so; but none stands where a statement may begin.
inline constexpr bool IsStarter(std::string_view word) {
  return word == "from" || word == "between" || word == "default" || word == "for" ||
         word == "rule" || word == "set" || word == "decider" || word == "include";
}

}  // namespace sluice::server::policy
