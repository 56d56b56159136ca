#pragma once

#include <array>
#include <cstdint>

#include "agent/netfilter/remembered_slot.h"
#include "agent/netfilter/table_transaction.h"

namespace sluice::agent {

// A map of table inet sluice, filled from the packet path: from what is remembered to a packet mark
// of ours, which says how. Its entries time out each by itself.
struct RememberedSet {
  const char* name;
  RememberedScope scope;
  bool ipv6;
  // Parts of the key as nft names them, in network order, each filled up to four bytes.
  uint32_t key_length;
  uint32_t key_type;
};

// Of an accepted connection the connection's own mark tells instead.
extern const std::array<RememberedSet, 6> kRememberedSets;

// What nft calls the types of keys and data, and stores with a set to print it by. The kernel keeps
// the numbers and makes nothing of them.
inline constexpr uint32_t kIpv4Address = 7;
inline constexpr uint32_t kIpv6Address = 8;
inline constexpr uint32_t kProtocol = 12;
inline constexpr uint32_t kService = 13;
inline constexpr uint32_t kMark = 19;
inline constexpr uint32_t kInterface = 20;

// Types of the parts of a key, six bits each.
template <typename... Types>
constexpr uint32_t Parts(Types... types) {
  uint32_t all = 0;
  ((all = all << 6 | types), ...);
  return all;
}

// Adds the making of a map of up to `limit` entries; it may be there.
void AddSet(const RememberedSet& set, uint32_t limit, TableTransaction& transaction);

const RememberedSet& RememberedSetOf(RememberedScope scope, bool ipv6);

// Adds the making of them all, empty, for at most `limit` entries each.
void AddRememberedSets(uint32_t limit, TableTransaction& transaction);

// Adds their removal, with whatever is in them and at no greater cost. No rule may use them by
// then.
void DeleteRememberedSets(TableTransaction& transaction);

}  // namespace sluice::agent
