#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "server/policy/address.h"
#include "server/policy/bpf_program.h"
#include "server/policy/icmp_types.h"
#include "server/policy/notify.h"
#include "server/policy/problems.h"
#include "server/policy/scope.h"

namespace sluice::server::policy {

// A policy with every name looked up and every value checked: what an engine is made from.

// Addresses under a name.
struct AddressSet {
  std::vector<AddressPattern> patterns;
  bool from_file = false;  // Which may say something else later.
};

// Which addresses an object covers.
struct AddressTerm {
  enum class Kind {
    kAnything,  // also packets whose addresses are not known
    kNothing,   // host-not any
    kOneOf,     // one of the patterns, or in one of the sets
    kNoneOf,    // none of them
  };
  Kind kind = Kind::kAnything;
  std::vector<AddressPattern> patterns;
  // Masks with holes are never in a set, nor in a term that has any.
  std::vector<std::shared_ptr<const AddressSet>> sets;
};

struct PortRange {
  uint16_t low = 0;
  uint16_t high = 0;
  bool operator==(const PortRange& other) const = default;
  bool operator<(const PortRange& other) const {
    return std::tie(low, high) < std::tie(other.low, other.high);
  }
};

// Of the flags in `mask`, those in `set` are set and the others are not; or not so.
struct TcpFlags {
  bool negated = false;
  uint8_t set = 0;
  uint8_t mask = 0;
};

// Which protocols, ports, types and flags an object covers.
struct TransportTerm {
  enum class Kind : uint8_t {
    kAnything,  // also packets without headers
    kNothing,   // proto-not any
    kProtocol,  // protocol is one of `protocols`
    kPort,      // protocol is `protocol`, and the port of this side in one of `ports`
    kIcmp,      // ICMP in IPv4, ICMPv6 in IPv6
    kIcmpType,  // … of one of `icmp_types`
  };
  Kind kind = Kind::kAnything;
  // The last thing of the list above is not so; what is before it still is: `tcp port-not 25` is
  // TCP. Not for kAnything, kNothing and kIcmp.
  bool negated = false;
  uint8_t protocol = 0;
  std::vector<uint8_t> protocols;
  std::vector<PortRange> ports;
  std::vector<IcmpType> icmp_types;
  std::optional<TcpFlags> flags;  // Of TCP: and its flags are these.
};

// Which groups of interfaces an object covers: one of the names or, negated, none of them.
struct GroupTerm {
  bool negated = false;
  std::vector<std::string> names;  // None: any.
};

struct ObjectTerm {
  GroupTerm group;
  AddressTerm address;
  TransportTerm transport;
};

// `match`.
struct MatchTerm {
  std::string expression;  // Of pcap-filter(7).
  Place place;             // For what is wrong with it.
  std::shared_ptr<const BpfProgram> program;
};

// What connection tracking may make of a packet, a bit for each state.
using StateSet = uint8_t;
inline constexpr StateSet kStateNew = 1;
inline constexpr StateSet kStateEstablished = 2;
inline constexpr StateSet kStateRelated = 4;
inline constexpr StateSet kStateInvalid = 8;
inline constexpr StateSet kAllStates = 15;

// Another decider is asked first.
struct Ask {
  std::string decider;  // Its name in the policy.
  std::chrono::milliseconds within{0};
};

struct Decision {
  bool accept = false;
  Notify notify = Notify::kNone;  // Never with accept.
  bool log = false;
  Scope scope = Scope::kPacket;
  std::chrono::seconds lifetime{0};  // Of a scope beyond the packet; 0 where it says none.
  // The rest is then what holds if it does not answer in time.
  std::optional<Ask> ask;
};

struct CheckedRule {
  ObjectTerm source;
  ObjectTerm destination;
  std::optional<StateSet> states;  // One of them; none: any, also one that is not known.
  std::optional<MatchTerm> match;
  Decision decision;
  Place place;
  std::string name;  // Empty for none.
};

// A decider that rules ask, and where it is: "192.0.2.7:9000", "[2001:db8::7]:9000", "unix:/path".
struct Decider {
  std::string name;
  std::vector<std::string> addresses;  // At least one.
};

struct CheckedPolicy {
  std::vector<CheckedRule> rules;  // The first that matches decides.
  Decision fallback;
  std::vector<Decider> deciders;   // Each name once.
  std::vector<std::string> files;  // Their names, by Place::file; the first is empty.
  size_t set_addresses = 0;        // In all sets.
};

}  // namespace sluice::server::policy
