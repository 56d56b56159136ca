#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

struct nlmsghdr;

namespace sluice::agent {

// Table inet sluice as the kernel reports it: enough to notice any change by others, and the
// counters. A value.
struct TableShape {
  struct Rule {
    uint64_t handle = 0;  // Unique in its table; a rule that is replaced gets a new one.
    std::vector<std::string> expressions;
    std::string comment = {};  // What `nft list` prints beside it.
  };
  struct Chain {
    uint64_t handle = 0;
    uint32_t hook = 0;
    int32_t priority = 0;
    uint32_t policy = 0;
    std::string type;
    std::vector<Rule> rules;  // In order.
  };

  // Of the table; unique in its network namespace, which shows when others made the table anew.
  uint64_t handle = 0;
  uint32_t flags = 0;  // Someone may have put the table to sleep (NFT_TABLE_F_DORMANT).
  uint32_t owner = 0;  // Netlink port of whoever holds it now; 0: nobody.
  uint32_t use = 0;    // Chains, sets and other objects in it.
  std::map<std::string, Chain> chains = {};
  std::map<std::string, uint64_t> counters = {};  // Packets.
};

// Adds what one nftables message, NFT_MSG_NEW*, says is in our table; ignores other messages.
// Total.
void AddToShape(const nlmsghdr* message, TableShape& shape);

// Whether the table, chains and rules are the same; counters may differ.
bool SameStructure(const TableShape& a, const TableShape& b);

}  // namespace sluice::agent
