#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/netfilter/queue/links_map.h"

struct mnl_socket;

namespace sluice::agent {

// An rtnetlink socket that receives events about interfaces and can ask for all interfaces. Owned
// by Links. All methods except Stop are for one thread.
class LinkSocket final {
 public:
  static absl::StatusOr<std::unique_ptr<LinkSocket>> Open();
  ~LinkSocket();
  LinkSocket(const LinkSocket&) = delete;
  LinkSocket& operator=(const LinkSocket&) = delete;

  // Replaces `links` by the present interfaces. CANCELLED after Stop. On errors `links` is
  // unchanged.
  absl::Status Dump(LinkMap& links);

  // Waits for events and applies all that have arrived. OK: go on. DATA_LOSS: events were lost,
  // dump again. CANCELLED after Stop. Others: the socket failed.
  absl::Status Follow(LinkMap& links);

  // Waits for `time` and returns false, or returns true at once after Stop.
  bool StoppedWithin(std::chrono::milliseconds time);

  // Ends a wait in the methods above, and all later waits. Any thread.
  void Stop();

 private:
  LinkSocket(mnl_socket* socket, int stop_fd);

  absl::Status WaitReadable();
  absl::Status DumpOnce(LinkMap& links, bool& interrupted);

  mnl_socket* const socket_;
  const int stop_fd_;  // An eventfd, readable after Stop.
  uint32_t sequence_ = 0;
  std::vector<char> buffer_;
};

}  // namespace sluice::agent
