#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

struct nlmsghdr;

namespace sluice::agent {

// What the kernel says it has of table inet sluice: enough to notice any change by others, and
// the counters. A value.
struct TableShape {
  struct Rule {
    uint64_t handle = 0;  // Unique in its table; a rule that is replaced gets a new one.
    std::vector<std::string> expressions;
    std::optional<uint64_t> packets;      // Of its first counter.
    std::string comment = {};             // What `nft list` prints beside it.
    std::optional<uint64_t> passed = {};  // Packets of its second counter.
  };
  struct Chain {
    uint64_t handle = 0;
    uint32_t hook = 0;
    int32_t priority = 0;
    uint32_t policy = 0;
    std::string type;
    std::vector<Rule> rules;  // In order.
  };

  // Of the table; unique in its network namespace, so a table made anew by others is known.
  uint64_t handle = 0;
  uint32_t flags = 0;  // Someone may have put the table to sleep (NFT_TABLE_F_DORMANT).
  uint32_t use = 0;    // Chains, sets and other objects in it.
  std::map<std::string, Chain> chains;
};

// Takes in what one nftables message, NFT_MSG_NEW* or NFT_MSG_DEL*, says of our table; others'
// and unknown messages are ignored. Total.
void AddToShape(const nlmsghdr* message, TableShape& shape);

// The same table, chains and rules; counters may differ.
bool SameStructure(const TableShape& a, const TableShape& b);

// The counter of a rule; nothing if it has none, or it is not to be counted.
using RuleCounter = absl::FunctionRef<std::optional<uint64_t>(const TableShape::Rule&)>;

// What the counters of `chain` say in `now`, as far as they stand in rules that `made` has too;
// nothing if none does.
std::optional<uint64_t> PacketsOf(const TableShape& now, const TableShape& made,
                                  absl::string_view chain, RuleCounter counter);
std::optional<uint64_t> PacketsOf(const TableShape& now, const TableShape& made,
                                  absl::string_view chain);

}  // namespace sluice::agent
