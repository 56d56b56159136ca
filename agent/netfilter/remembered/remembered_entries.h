#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "agent/netfilter/nftables/table_socket.h"
#include "agent/netfilter/remembered/remembered_sets.h"
#include "agent/netfilter/remembered/remembered_slot.h"

struct nlmsghdr;

namespace sluice::agent {

// What is remembered of one source, peer or connection. A value. Fields that its scope does not use
// are empty. A connection that is remembered by its mark has no interfaces and no expiry.
struct RememberedEntry {
  bool accept = false;
  Notice notice = Notice::kNone;
  RememberedScope scope = RememberedScope::kSource;
  std::string source;       // 4 or 16 bytes.
  std::string destination;  // The same.
  uint8_t protocol = 0;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;  // With ICMP, type and code; 0 if the protocol has no ports.
  uint32_t input_ifindex = 0;
  uint32_t output_ifindex = 0;
  uint16_t zone = 0;
  uint64_t expires_in_ms = 0;
};

// An entry as the kernel reports it: the key and its value in the map.
struct SetElement {
  std::string key;
  uint32_t value = 0;
  uint64_t expires_in_ms = 0;
};

// Calls `take` with each element of one message about elements (NFT_MSG_NEWSETELEM). Skips elements
// without a key or a value. Total: any bytes are accepted.
void ForEachElement(const nlmsghdr* message, absl::FunctionRef<void(const SetElement&)> take);

// What an element of that set means; nullopt if it is none of ours. `slots` are the slots that may
// have entered it.
std::optional<RememberedEntry> EntryOf(const RememberedSet& set, const SetElement& element,
                                       uint32_t mark_mask,
                                       const std::vector<RememberedSlot>& slots);

// How many entries the sets of those slots have, including expired entries that the kernel has not
// collected yet, which it does within a second. Kernels before 6.16 do not count entries; there
// this reads all of them.
absl::StatusOr<size_t> CountRememberedEntries(uint32_t mark_mask,
                                              const std::vector<RememberedSlot>& slots,
                                              TableSocket& socket);

// The count in one message about a set (NFT_MSG_NEWSET); nullopt if it has none. Total.
std::optional<uint32_t> CountIn(const nlmsghdr* message);

// Asks the kernel for the entries in the sets of those slots, at most `limit`; 0: all.
absl::StatusOr<std::vector<RememberedEntry>> ReadRememberedEntries(
    uint32_t mark_mask, const std::vector<RememberedSlot>& slots, size_t limit,
    TableSocket& socket);

}  // namespace sluice::agent
