#pragma once

#include <cstdint>
#include <vector>

#include "server/policy/address.h"
#include "server/policy/icmp_types.h"

namespace sluice::server::policy {

// A policy with every name looked up and every value checked: what an engine is made from.

// Which addresses an object covers.
struct AddressTerm {
  enum class Kind {
    kAnything,  // also packets whose addresses are not known
    kNothing,   // host-not any
    kOneOf,     // one of the patterns: a name may have several addresses
    kNoneOf,    // none of them
  };
  Kind kind = Kind::kAnything;
  std::vector<AddressPattern> patterns;
};

// Which protocols, ports and types an object covers.
struct TransportTerm {
  enum class Kind : uint8_t {
    kAnything,  // also packets without headers
    kNothing,   // proto-not any
    kProtocol,  // protocol is `protocol`
    kPort,      // … and the port of this side is from `low` to `high`
    kIcmp,      // ICMP in IPv4, ICMPv6 in IPv6
    kIcmpType,  // … of that type
    kIcmpInfo,  // … of a type for which IsInfoType holds
  };
  Kind kind = Kind::kAnything;
  // The last thing of the list above is not so; what is before it still is: `tcp port-not 25` is
  // TCP. Not for kAnything, kNothing and kIcmp.
  bool negated = false;
  uint8_t protocol = 0;
  uint16_t low = 0;
  uint16_t high = 0;
  IcmpType icmp_type;
};

struct ObjectTerm {
  AddressTerm address;
  TransportTerm transport;
};

struct Decision {
  bool accept = false;
  bool notify = false;  // Never with accept.
  bool log = false;
};

struct CheckedRule {
  ObjectTerm source;
  ObjectTerm destination;
  Decision decision;
  uint32_t line = 0;
};

struct CheckedPolicy {
  std::vector<CheckedRule> rules;  // The first that matches decides.
  Decision fallback;
};

}  // namespace sluice::server::policy
