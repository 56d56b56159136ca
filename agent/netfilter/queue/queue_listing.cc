#include "agent/netfilter/queue/queue_listing.h"

#include <fstream>
#include <sstream>
#include <string>

namespace sluice::agent {

std::vector<QueueListing> ParseQueueListing(std::string_view text) {
  std::vector<QueueListing> queues;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    QueueListing queue;
    if (fields >> queue.queue >> queue.port_id >> queue.waiting >> queue.copy_mode >>
        queue.copy_range >> queue.queue_dropped >> queue.user_dropped >> queue.id_sequence) {
      queues.push_back(queue);
    }
  }
  return queues;
}

std::vector<QueueListing> ReadQueueListing() {
  // /proc/net is /proc/self/net, the main thread's namespace; all threads of the agent share it.
  std::ifstream file("/proc/net/netfilter/nfnetlink_queue");
  std::ostringstream text;
  text << file.rdbuf();
  return ParseQueueListing(text.str());
}

std::optional<uint32_t> FindQueueOwner(uint16_t queue) {
  for (const QueueListing& listing : ReadQueueListing()) {
    if (listing.queue == queue) return listing.port_id;
  }
  return std::nullopt;
}

}  // namespace sluice::agent
