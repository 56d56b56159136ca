#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/policy/rule_set.h"
#include "sluice/v1/control.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// A policy that includes nothing.
v1::PolicyText PolicyOf(std::string text, std::string source);

// A policy as it was applied. Immutable.
struct Policy {
  uint64_t version;
  v1::PolicyText text;
  std::chrono::system_clock::time_point applied;
  std::shared_ptr<const RuleSet> rules;

  v1::Policy ToProto() const;
};

// The policy decisions follow now, and its replacement all at once: whoever holds a snapshot
// goes on with it. Any thread may call; Apply compiles before it takes the lock.
class PolicyStore final {
 public:
  using WallTime = std::chrono::system_clock::time_point;

  // Holds version 0, the built-in `default reject`.
  explicit PolicyStore(WallTime now);

  // Never null.
  std::shared_ptr<const Policy> Current() const;

  struct Applied {
    std::shared_ptr<const Policy> previous;  // Null if there are problems.
    std::shared_ptr<const Policy> current;   // The same.
    std::vector<v1::PolicyProblem> problems;
  };

  // Makes `text` the policy unless it has problems; the old one stays then. May take as long as
  // names take to resolve.
  Applied Apply(v1::PolicyText text, WallTime now);

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const Policy> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
