#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "server/policy/terms/address.h"
#include "server/policy/terms/bpf_program.h"
#include "server/policy/terms/decision_terms.h"
#include "server/policy/terms/icmp_types.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// A policy with every name looked up and every value checked. An engine is made from it.

// Addresses that a policy gives a name.
struct AddressSet {
  std::vector<AddressPattern> patterns;
  bool from_file = false;  // The file may change later.
};

// Which addresses an object covers.
struct AddressTerm {
  enum class Kind {
    kAnything,  // also packets whose addresses are not known
    kNothing,   // host-not any
    kOneOf,     // in one of the patterns or sets
    kNoneOf,    // in none of them
  };
  Kind kind = Kind::kAnything;
  std::vector<AddressPattern> patterns;
  // A mask with holes is never in a set, nor in a term that has sets.
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

// Of the flags in `mask`, those in `set` are set and the others are not. If `negated`, that does
// not hold.
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
    kIcmpType,  // as kIcmp, and the type is one of `icmp_types`
  };
  Kind kind = Kind::kAnything;
  // Negates only the last condition in the list above: `tcp port-not 25` is still TCP. Not used for
  // kAnything, kNothing and kIcmp.
  bool negated = false;
  uint8_t protocol = 0;
  std::vector<uint8_t> protocols;
  std::vector<PortRange> ports;
  std::vector<IcmpType> icmp_types;
  std::optional<TcpFlags> flags;  // For TCP: the flags must also match.
};

// Which groups of interfaces an object covers: one of the names or, negated, none of them.
struct GroupTerm {
  bool negated = false;
  std::vector<std::string> names;  // Empty: any.
};

struct ObjectTerm {
  GroupTerm group;
  AddressTerm address;
  TransportTerm transport;
};

// `match`.
struct MatchTerm {
  std::string expression;  // In the language of pcap-filter(7).
  Place place;             // Where to report a problem with it.
  std::shared_ptr<const BpfProgram> program;
};

// States that connection tracking may give a packet, a bit for each.
using StateSet = uint8_t;
inline constexpr StateSet kStateNew = 1;
inline constexpr StateSet kStateEstablished = 2;
inline constexpr StateSet kStateRelated = 4;
inline constexpr StateSet kStateInvalid = 8;
inline constexpr StateSet kAllStates = 15;

// Says that a decider is asked first.
struct Ask {
  std::string decider;  // Its name in the policy.
  std::chrono::milliseconds within{0};
};

struct Decision {
  bool accept = false;
  Notify notify = Notify::kNone;  // Never with accept.
  bool log = false;
  Scope scope = Scope::kPacket;
  std::chrono::seconds lifetime{0};  // Of a scope beyond the packet; 0 if it has none.
  // If set, the rest holds if the decider does not answer in time.
  std::optional<Ask> ask;
};

struct CheckedRule {
  ObjectTerm source;
  ObjectTerm destination;
  std::optional<StateSet> states;  // No value: any, even one that is not known.
  std::optional<MatchTerm> match;
  Decision decision;
  Place place;
  std::string name;  // Empty for none.
};

// A decider that rules ask, and its addresses: "192.0.2.7:9000", "[2001:db8::7]:9000",
// "unix:/path".
struct Decider {
  std::string name;
  std::vector<std::string> addresses;  // At least one.
};

struct CheckedPolicy {
  std::vector<CheckedRule> rules;  // The first that matches decides.
  Decision fallback;
  std::vector<Decider> deciders;   // Each name once.
  std::vector<std::string> files;  // Names of its files, by Place::file; the first is empty.
  size_t set_addresses = 0;        // Addresses in all sets.
};

}  // namespace sluice::server::policy
