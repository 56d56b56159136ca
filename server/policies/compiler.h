#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/policies/fair_queue.h"
#include "server/policy/checker/looked_up.h"
#include "server/streams/places.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// The names a job knows, and those it needs to know first.
struct JobNames {
  policy::LookedUp known;
  policy::NameSet wanted;
};

// What a policy is compiled for.
enum class CompilePurpose {
  kChange,    // to put it in force: apply, the check before it, rollback
  kQuestion,  // to say something about it: check, test, explain, trial
};

// Runs the jobs of calls that compile policies. Policies are compiled one at a time, because each
// takes whatever memory is free. Compiling never waits for DNS: a job that wants names is set aside
// until one of a few other threads has looked them up, and is then run again. So a policy without
// host names never waits for one with.
//
// No caller keeps others waiting for more than one compilation. Changes have places and threads of
// their own, and take turns with questions. Peers (PeerKey) take turns, and each has a share of
// the places; beyond it a job is refused. Any thread may post. Owned by the Server.
class Compiler final {
 public:
  struct Job {
    CompilePurpose purpose;
    std::string peer;  // PeerKey of who waits for it.
    // Either adds the names it wants to `wanted` and has done nothing, or does the whole job. Run
    // by the Compiler's thread.
    std::function<void(JobNames*)> run;
    // Called instead of `run` if there is no place for it: RESOURCE_EXHAUSTED.
    std::function<void(const absl::Status& why)> busy;
    // Whether nobody waits for the job any more, for good. The job then wants no names, and none
    // are looked up for it.
    std::function<bool()> gone;
  };
  using LookUp = std::function<policy::LookedUp(const policy::NameSet&)>;

  // Limits of one purpose.
  struct Limits {
    size_t most;    // Jobs that wait or are under way, a quarter of them for one peer (Places).
    size_t askers;  // Jobs whose names are looked up at once, each by a thread that waits for DNS:
    size_t each;    // ten seconds or more if it does not answer. Of one peer, a quarter as well.
  };
  static constexpr Limits kQuestions = {64, 32, 8};
  // Few people change a policy at once.
  static constexpr Limits kChanges = {16, 8, 2};

  // `look_up` is called by several threads, and may block.
  explicit Compiler(LookUp look_up);
  // Runs all jobs that were posted, then ends.
  ~Compiler();
  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;

  void Post(Job job);

 private:
  // A job with its place, on its way from queue to queue.
  struct Task {
    Job job;
    Places::Place place;
    JobNames names;
  };
  using Queue = FairQueue<std::unique_ptr<Task>>;

  // What one purpose has of its own.
  struct Lane {
    Lane(const char* what, const Limits& limits)
        : places(what, limits.most), askers(limits.askers), to_ask(limits.each) {}

    Places places;
    const size_t askers;
    Queue to_compile;
    Queue to_ask;
  };

  Lane& LaneOf(const Job& job) {
    return job.purpose == CompilePurpose::kChange ? changes_ : questions_;
  }
  void Compile();
  void Ask(Lane& lane);
  bool Drained() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stop_ && tasks_ == 0; }

  const LookUp look_up_;
  // Their places have a lock of their own; all else in them is guarded by mutex_.
  Lane changes_{"changes of the policy under way", kChanges};
  Lane questions_{"policies to check, try, test or explain", kQuestions};

  Mutex mutex_;
  std::condition_variable changed_;
  size_t tasks_ ABSL_GUARDED_BY(mutex_) = 0;  // In queues, or with a thread.
  // Then a question is next: who has changes checked without end keeps nobody waiting.
  bool compiled_change_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<std::thread> threads_;
};

}  // namespace sluice::server
