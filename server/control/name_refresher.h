#pragma once

#include <chrono>
#include <condition_variable>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "server/control/policy_store.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Has names looked up again as long as the policy means by some what they meant before, or one
// waits for them; at once when it is made, since a policy that was kept begins with what was kept
// of its names. Has a thread of its own, which waits for DNS. Owned by the Server.
class NameRefresher final {
 public:
  // Between two attempts. Whoever mends DNS does not wait for it; whoever runs DNS does not notice.
  static constexpr std::chrono::milliseconds kInterval{5000};

  // Not owned.
  explicit NameRefresher(PolicyStore* policies, std::chrono::milliseconds interval = kInterval);
  // Waits for the answer to what it asks.
  ~NameRefresher();
  NameRefresher(const NameRefresher&) = delete;
  NameRefresher& operator=(const NameRefresher&) = delete;

  // Until it has asked once, for at most `timeout`. Any thread.
  void AwaitFirst(std::chrono::milliseconds timeout);

 private:
  void Run();

  PolicyStore* const policies_;
  const std::chrono::milliseconds interval_;
  Mutex mutex_;
  std::condition_variable changed_;
  bool asked_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sluice::server
