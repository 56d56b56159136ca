#pragma once

#include <string_view>
#include <vector>

#include "server/policy/problems.h"

namespace sluice::server::policy {

// A policy as it is written: what the parser makes of a text that follows the grammar, before
// any name is looked up or any value checked. The words are views of the text.

// A value as written.
struct Word {
  std::string_view text;
  Place place;
};

// Half of an object: which addresses.
struct AddressSyntax {
  enum class Kind {
    kAny,     // any, or nothing
    kHost,    // host VALUE, host-not VALUE
    kNet,     // net VALUE, net-not VALUE
    kSubnet,  // subnet VALUE, subnet-not VALUE
    kBare,    // an address or a prefix without a keyword
  };
  Kind kind = Kind::kAny;
  bool negated = false;
  Word value;  // May be `any`; empty for kAny.
};

// The other half: which protocol and port.
struct TransportSyntax {
  enum class Kind {
    kNone,
    kIcmpType,  // icmp type VALUE, icmp type-not VALUE
    kTcpPort,   // tcp port VALUE, tcp port-not VALUE
    kUdpPort,   // udp port VALUE, udp port-not VALUE
    kProtocol,  // proto VALUE, proto-not VALUE
  };
  Kind kind = Kind::kNone;
  bool negated = false;
  Word value;  // May be `any`; empty for kNone.
};

struct ObjectSyntax {
  AddressSyntax address;
  TransportSyntax transport;
};

// accept or reject, with what goes with it. `notify` of an `accept` means nothing.
struct DecisionSyntax {
  bool accept = false;
  bool notify = false;
  bool log = false;
};

// from FIRST to SECOND, or between FIRST and SECOND.
struct PairSyntax {
  Place place;  // Of `from` or `between`.
  bool between = false;
  ObjectSyntax first;
  ObjectSyntax second;
  DecisionSyntax decision;
};

// for NETWORK netmask is MASK.
struct MaskSyntax {
  Word network;
  Word mask;
};

// A whole file.
struct Syntax {
  std::vector<PairSyntax> pairs;  // In file order.
  std::vector<MaskSyntax> masks;
  DecisionSyntax fallback;  // Of the last `default`; `reject` where there is none.
};

}  // namespace sluice::server::policy
