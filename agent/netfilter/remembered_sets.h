#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "agent/netfilter/remembered_slot.h"
#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

// What a key can consist of.
enum class KeyPart : uint8_t {
  kSource,  // Addresses: of the packet, or of its connection's first one.
  kDestination,
  kProtocol,  // IANA protocol number.
  kSourcePort,
  kDestinationPort,  // Of ICMP type and code; 0 where the protocol has no ports.
  kInput,            // Index of the interface the packet comes in by.
  kOutput,           // Of the one it goes out by.
  kZone,             // Of connection tracking; 0 where the packet is not tracked.
  kConnectionId,
  kConnectionMark,
};

// A map of table inet sluice, filled from the packet path: from what is remembered to a packet mark
// of ours, which says how. Its entries time out each by itself.
struct RememberedSet {
  const char* name;
  RememberedScope scope;
  bool ipv6;
  // In network order, each filled up to four bytes, but for kInput, kOutput and kZone, which the
  // kernel keeps in host order.
  std::span<const KeyPart> parts;

  // Bytes of a part, filled up.
  uint32_t SizeOf(KeyPart part) const;
  uint32_t key_length() const;
};

// Of an accepted connection that is tracked its own mark tells instead.
extern const std::array<RememberedSet, 6> kRememberedSets;

// Connections that were accepted lately, to notice if their marks are wiped.
extern const RememberedSet kSavedConnections;

// How many sets AddRememberedSets makes.
inline constexpr size_t kRememberedSetCount = 8;

// The marks of accepted connections, each with the devices their packets come in and go out by. Not
// filled from the packet path.
extern const RememberedSet kConnectionMarks;
// Adds entries of mark, input and output, with that value.
void AddConnectionMarks(const std::vector<std::array<uint32_t, 3>>& keys, uint32_t value,
                        TableTransaction& transaction);

// Adds the making of a map of up to `limit` entries; it may be there.
void AddSet(const RememberedSet& set, uint32_t limit, TableTransaction& transaction);

const RememberedSet& RememberedSetOf(RememberedScope scope, bool ipv6);

// Adds the making of them all, empty, for at most `limit` entries each.
void AddRememberedSets(uint32_t limit, TableTransaction& transaction);

// Adds their removal, with whatever is in them and at no greater cost. No rule may use them by
// then.
void DeleteRememberedSets(TableTransaction& transaction);

}  // namespace sluice::agent
