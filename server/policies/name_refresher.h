#pragma once

#include <chrono>
#include <condition_variable>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "server/policies/policy_store.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Has names looked up again as long as the policy uses outdated meanings of some, or a policy waits
// for its names. Also looks them up once when it is made, because a policy read from the archive
// begins with the meanings kept there. Has a thread of its own, which waits for DNS. Owned by the
// Server.
class NameRefresher final {
 public:
  // Time between two attempts. Short enough that nobody who repairs DNS waits for it; long enough
  // that DNS servers do not notice the load.
  static constexpr std::chrono::milliseconds kInterval{5000};

  // `policies` is not owned.
  explicit NameRefresher(PolicyStore* policies, std::chrono::milliseconds interval = kInterval);
  // Waits for the lookup under way.
  ~NameRefresher();
  NameRefresher(const NameRefresher&) = delete;
  NameRefresher& operator=(const NameRefresher&) = delete;

  // Waits until it has asked DNS once, for at most `timeout`. Any thread may call.
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
