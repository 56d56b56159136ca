#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sluice::agent {

// One line of /proc/net/netfilter/nfnetlink_queue (net/netfilter/nfnetlink_queue.c, seq_show).
// The counters are 32-bit and start from 0 with each bind.
struct QueueListing {
  uint32_t queue = 0;
  uint32_t port_id = 0;        // netlink port of the owner
  uint32_t waiting = 0;        // packets held now
  uint32_t copy_mode = 0;      // 0 none, 1 meta, 2 packet
  uint32_t copy_range = 0;     // bytes
  uint32_t queue_dropped = 0;  // the queue was full
  uint32_t user_dropped = 0;   // the owner's receive buffer was full
  uint32_t id_sequence = 0;    // id of the newest packet
};

// Skips lines that it does not understand.
std::vector<QueueListing> ParseQueueListing(std::string_view text);

// The queues of this network namespace. Empty if the file may not be read: its mode is 0440,
// root:root.
std::vector<QueueListing> ReadQueueListing();

// Netlink port id of a queue's owner, if it can be known.
std::optional<uint32_t> FindQueueOwner(uint16_t queue);

}  // namespace sluice::agent
