#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "agent/netfilter/nftables/table_transaction.h"
#include "agent/netfilter/remembered/remembered_slot.h"

namespace sluice::agent {

// The parts that a key can consist of.
enum class KeyPart : uint8_t {
  kSource,  // Addresses, of the packet or of the first packet of its connection.
  kDestination,
  kProtocol,  // IANA protocol number.
  kSourcePort,
  kDestinationPort,  // With ICMP, type and code; 0 if the protocol has no ports.
  kInput,            // Index of the interface the packet comes in by.
  kOutput,           // Index of the interface it goes out by.
  kZone,             // Of connection tracking; 0 if the packet is not tracked.
  kConnectionId,
  kConnectionMark,
};

// A map of table inet sluice that the packet path fills. Keys are what is remembered; the value is
// a packet mark of ours, which says how. Each entry has its own lifetime.
struct RememberedSet {
  const char* name;
  RememberedScope scope;
  bool ipv6;
  // In network order, except kInput, kOutput and kZone, which the kernel keeps in host order. Each
  // part is padded to four bytes.
  std::span<const KeyPart> parts;

  // Bytes of a part, with its padding.
  uint32_t SizeOf(KeyPart part) const;
  uint32_t key_length() const;
};

// Accepted connections that bear a mark are not in these sets.
extern const std::array<RememberedSet, 6> kRememberedSets;

// Connections that were accepted recently, to notice if their marks are wiped.
extern const RememberedSet kSavedConnections;

// How many sets AddRememberedSets creates.
inline constexpr size_t kRememberedSetCount = 8;

// The marks of accepted connections, each with the devices by which their packets come in and go
// out. The packet path does not fill it.
extern const RememberedSet kConnectionMarks;
// Adds entries of mark, input and output, with that value.
void AddConnectionMarks(const std::vector<std::array<uint32_t, 3>>& keys, uint32_t value,
                        TableTransaction& transaction);

// Adds the creation of a map of up to `limit` entries; the map may exist.
void AddSet(const RememberedSet& set, uint32_t limit, TableTransaction& transaction);

const RememberedSet& RememberedSetOf(RememberedScope scope, bool ipv6);

// Adds the creation of all sets, empty, for at most `limit` entries each.
void AddRememberedSets(uint32_t limit, TableTransaction& transaction);

// Adds the removal of all sets and whatever is in them; the cost does not depend on that. No rule
// may use them by then.
void DeleteRememberedSets(TableTransaction& transaction);

}  // namespace sluice::agent
