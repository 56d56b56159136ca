#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/policy/checker/looked_up.h"
#include "server/streams/worker.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// The names a job knows, and those it needs to know first.
struct JobNames {
  policy::LookedUp known;
  policy::NameSet wanted;
};

// Runs the jobs of calls that compile policies. Policies are compiled one at a time, because each
// takes whatever memory is free. Compiling never waits for DNS: a job that wants names is set aside
// until one of a few other threads has looked them up, and is then run again. So a policy without
// host names never waits for one with. Any thread may post. Owned by the Server.
class Compiler final {
 public:
  struct Job {
    // Either adds the names it wants to `wanted` and has done nothing, or does the whole job. Run
    // by one of the Compiler's threads, never two jobs at a time.
    std::function<void(JobNames*)> run;
    // Called if too many jobs wait already: instead of `run`, or after `run` wanted names.
    std::function<void()> busy;
    // Whether nobody waits for the job any more, for good. The job then wants no names, and none
    // are looked up for it.
    std::function<bool()> gone;
  };
  using LookUp = std::function<policy::LookedUp(const policy::NameSet&)>;

  // Policies that may wait for DNS at once.
  static constexpr size_t kAskers = 8;
  // Jobs that may wait for the compiling thread, and for those that ask DNS.
  static constexpr size_t kBacklog = 64;

  // `look_up` is called by several threads, and may block.
  explicit Compiler(LookUp look_up) : look_up_(std::move(look_up)) {}

  void Post(const Job& job) {
    const bool posted = worker_.Post([this, job] {
      JobNames names;
      if (Run(job, &names)) return;
      if (!askers_.Post([this, job, names] { Ask(job, names); })) job.busy();
    });
    if (!posted) job.busy();
  }

 private:
  // Whether the job is done.
  bool Run(const Job& job, JobNames* names) {
    names->wanted = {};
    MutexLock lock(compiling_);
    job.run(names);
    return names->wanted.empty();
  }
  void Ask(const Job& job, JobNames names) {
    do {
      if (!job.gone()) names.known.Add(look_up_(names.wanted));
    } while (!Run(job, &names));
  }

  const LookUp look_up_;
  Mutex compiling_;  // Held while a job runs.
  // In this order, because worker_ hands jobs to askers_ and must be destroyed first.
  Worker askers_{kBacklog, kAskers};
  Worker worker_{kBacklog};
};

}  // namespace sluice::server
