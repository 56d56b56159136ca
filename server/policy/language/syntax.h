#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/policy/terms/decision_terms.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// A policy as it is written: what the parser makes of a text that follows the grammar, before names
// are looked up and values checked. Words are views of the text.

// A value as written.
struct Word {
  std::string_view text;
  Place place;
};

// Some addresses.
struct AddressItem {
  enum class Kind {
    kHost,    // host VALUE
    kNet,     // net VALUE
    kSubnet,  // subnet VALUE
    kBare,    // an address, a prefix or @SET without a keyword
  };
  Kind kind = Kind::kBare;
  Word value;  // May be `any`.
};

// The second part of an object: the addresses of all items or, negated, all others.
struct AddressSyntax {
  bool negated = false;
  std::vector<AddressItem> items;  // None: any.
};

// The third part of an object: a protocol and port, which is one of the values or, negated, none of
// them.
struct TransportSyntax {
  enum class Kind {
    kNone,
    kIcmpType,  // icmp type VALUES, icmp type-not VALUES
    kTcpPort,   // tcp port VALUES, tcp port-not VALUES; no values: any
    kUdpPort,   // udp port VALUES, udp port-not VALUES
    kProtocol,  // proto VALUES, proto-not VALUES
  };
  Kind kind = Kind::kNone;
  bool negated = false;
  std::vector<Word> values;  // One may be `any`; none for kNone.
  // For TCP: the words of `flags SET/LOOKED-AT`, as the commas separate them.
  bool flags_negated = false;
  std::vector<Word> flags;
};

// The first part of an object: the groups of interfaces.
struct GroupSyntax {
  bool negated = false;
  std::vector<Word> values;  // None: any.
};

struct ObjectSyntax {
  GroupSyntax group;
  AddressSyntax address;
  TransportSyntax transport;
};

// What a rule asks for besides its objects.
struct ConditionSyntax {
  bool state_negated = false;
  std::vector<Word> states;   // None: any.
  std::optional<Word> match;  // An expression of pcap-filter(7).
};

// ask DECIDER within TIME else …
struct AskSyntax {
  Word decider;
  Word within;
};

// accept or reject, with its options. `notify` of an `accept` means nothing.
struct DecisionSyntax {
  bool accept = false;
  Notify notify = Notify::kNone;
  bool log = false;
  Scope scope = Scope::kPacket;
  std::optional<Word> lifetime;
  std::optional<AskSyntax> ask;  // If set, the rest is what follows its `else`.
};

// from FIRST to SECOND, or between FIRST and SECOND.
struct PairSyntax {
  Word name;    // Empty where it has none.
  Place place;  // Of `from` or `between`.
  bool between = false;
  ObjectSyntax first;
  ObjectSyntax second;
  ConditionSyntax condition;
  DecisionSyntax decision;
};

// for NETWORK netmask is MASK.
struct MaskSyntax {
  Word network;
  Word mask;
};

// set NAME = { ITEMS }, or set NAME from FILE.
struct SetSyntax {
  Word name;
  std::vector<AddressItem> items;
  bool from_file = false;
  Word file;
};

// decider NAME at ADDRESSES.
struct DeciderSyntax {
  Word name;
  std::vector<Word> addresses;
};

// A whole policy: its own text with the files it includes in their places.
struct Syntax {
  std::vector<PairSyntax> pairs;  // In order.
  std::vector<MaskSyntax> masks;
  std::vector<SetSyntax> sets;
  std::vector<DeciderSyntax> deciders;
  DecisionSyntax fallback;           // Of the last `default`; `reject` without one.
  std::vector<std::string> files;    // Names of the files read, by Place::file; the first is empty.
  std::vector<std::string> missing;  // Names of included files that are not there.
  uint64_t memory = 0;               // About how many bytes compiling takes at its peak.
};

}  // namespace sluice::server::policy
