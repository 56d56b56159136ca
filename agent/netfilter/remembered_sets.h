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

const RememberedSet& RememberedSetOf(RememberedScope scope, bool ipv6);

// Adds the making of them all, empty, for at most `limit` entries each.
void AddRememberedSets(uint32_t limit, TableTransaction& transaction);

// Adds their removal, with whatever is in them and at no greater cost. No rule may use them by
// then.
void DeleteRememberedSets(TableTransaction& transaction);

}  // namespace sluice::agent
