#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "agent/netfilter/remembered_sets.h"
#include "agent/netfilter/remembered_slot.h"
#include "agent/netfilter/table_socket.h"

struct nlmsghdr;

namespace sluice::agent {

// What a set of the table remembers of one source, peer or refused connection. A value; what its
// scope does not look at is empty.
struct RememberedEntry {
  bool accept = false;
  Notification notification = Notification::kNone;
  RememberedScope scope = RememberedScope::kSource;
  std::string source;       // 4 or 16 bytes.
  std::string destination;  // The same.
  uint8_t protocol = 0;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;  // Of ICMP its type and code, 0 where there are no ports.
  uint32_t input_ifindex = 0;     // Of accepted connections 0, as is what follows.
  uint32_t output_ifindex = 0;
  uint16_t zone = 0;
  uint64_t expires_in_ms = 0;
};

// An entry as the kernel tells it: the key, and what the map says there.
struct SetElement {
  std::string key;
  uint32_t value = 0;
  uint64_t expires_in_ms = 0;
};

// Calls `take` with each element of one message about elements (NFT_MSG_NEWSETELEM); those without
// a key or a value are passed over. Total: any bytes are accepted.
void ForEachElement(const nlmsghdr* message, absl::FunctionRef<void(const SetElement&)> take);

// What an element of that set means; nothing if it is none of ours. `slots` are those that may have
// entered it.
std::optional<RememberedEntry> EntryOf(const RememberedSet& set, const SetElement& element,
                                       uint32_t mark_mask,
                                       const std::vector<RememberedSlot>& slots);

// How many entries the sets of those slots have, those included that have expired but were not
// collected yet, within a second. Kernels before 6.16 do not count them, and are asked for all.
absl::StatusOr<size_t> CountRememberedEntries(uint32_t mark_mask,
                                              const std::vector<RememberedSlot>& slots,
                                              TableSocket& socket);

// The count in one message about a set (NFT_MSG_NEWSET); nothing if it has none. Total.
std::optional<uint32_t> CountIn(const nlmsghdr* message);

// Asks the kernel for what the sets of those slots hold; up to `limit`, 0 for all.
absl::StatusOr<std::vector<RememberedEntry>> ReadRememberedEntries(
    uint32_t mark_mask, const std::vector<RememberedSlot>& slots, size_t limit,
    TableSocket& socket);

}  // namespace sluice::agent
