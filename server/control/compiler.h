#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/policy/looked_up.h"
#include "server/streams/worker.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// What a job knows of names, and what it finds it has to know first.
struct JobNames {
  policy::LookedUp known;
  policy::NameSet wanted;
};

// Has the jobs of calls done that compile policies. Those are compiled one at a time, since each
// takes what memory is free, and none of them waits for DNS: a job that wants names is put aside
// until one of a few other threads has looked them up, and is then run again. So a policy without
// names of hosts never waits for one with. Any thread may post. Owned by the Server.
class Compiler final {
 public:
  struct Job {
    // Adds what it wants to `wanted` and has then done nothing, or is done. Run by one of this
    // one's threads, never two at a time.
    std::function<void(JobNames*)> run;
    // Called instead, or after it wanted names, where too many jobs wait already.
    std::function<void()> busy;
    // Whether nobody waits for it any more, and will not again: then it wants nothing, so that no
    // name is looked up for it.
    std::function<bool()> gone;
  };
  using LookUp = std::function<policy::LookedUp(const policy::NameSet&)>;

  // As many policies wait for DNS at once.
  static constexpr size_t kAskers = 8;
  // As many wait for either kind of thread.
  static constexpr size_t kBacklog = 64;

  // `look_up` is called by several threads, and may block.
  explicit Compiler(LookUp look_up) : look_up_(std::move(look_up)) {}

  void Post(const Job& job);

 private:
  // Whether it is done.
  bool Run(const Job& job, JobNames* names);
  void Ask(const Job& job, JobNames names);

  const LookUp look_up_;
  Mutex compiling_;  // Held while a job runs.
  // In this order: the one hands jobs to the others.
  Worker askers_{kBacklog, kAskers};
  Worker worker_{kBacklog};
};

}  // namespace sluice::server
