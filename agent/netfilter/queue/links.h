#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "agent/netfilter/queue/links_map.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

class LinkSocket;

// The network interfaces of this network namespace, kept current by rtnetlink events. Owned by
// main; its thread starts in Open and is joined by the destructor. Any thread may call any method.
// If events come faster than they are read, the thread asks for all interfaces again; until then
// the old snapshot stands. When a link that is down changes its group, the kernel reports it only
// once the link comes up. So the group is right by the time the link forwards packets.
class Links final {
 public:
  // The first snapshot is complete on return.
  static absl::StatusOr<std::unique_ptr<Links>> Open();
  ~Links();
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  // Never null. Takes a lock, so keep the result and call again only when generation() has moved.
  std::shared_ptr<const LinkMap> Snapshot() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Counts up with every snapshot that differs from the one before. Read it before Snapshot().
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  // Waits until generation() is past `seen`; false if it is not within `timeout`.
  bool WaitPast(uint64_t seen, std::chrono::milliseconds timeout) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  explicit Links(std::unique_ptr<LinkSocket> socket);
  void Run();
  void Publish(const LinkMap& links) ABSL_LOCKS_EXCLUDED(mutex_);

  // Used by the thread, and by Open before the thread starts.
  const std::unique_ptr<LinkSocket> socket_;
  LinkMap current_;

  // Have their own synchronization.
  std::atomic<uint64_t> generation_{0};
  mutable std::condition_variable published_;

  mutable Mutex mutex_;
  std::shared_ptr<const LinkMap> snapshot_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;  // The last member: it uses the others.
};

}  // namespace sluice::agent
