#include "server/policies/compiler.h"

#include <optional>
#include <utility>

#include "absl/status/statusor.h"

namespace sluice::server {

Compiler::Compiler(LookUp look_up) : look_up_(std::move(look_up)) {
  threads_.emplace_back([this] { Compile(); });
  for (Lane* const lane : {&changes_, &questions_}) {
    for (size_t i = 0; i < lane->askers; ++i) threads_.emplace_back([this, lane] { Ask(*lane); });
  }
}

Compiler::~Compiler() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Compiler::Post(Job job) {
  Lane& lane = LaneOf(job);
  absl::StatusOr<Places::Place> place = lane.places.Take(job.peer);
  if (!place.ok()) return job.busy(place.status());
  auto task = std::make_unique<Task>(Task{std::move(job), *std::move(place), {}});
  const std::string peer = task->job.peer;
  {
    MutexLock lock(mutex_);
    ++tasks_;
    lane.to_compile.Push(peer, std::move(task));
  }
  changed_.notify_all();
}

void Compiler::Compile() {
  while (true) {
    std::unique_ptr<Task> task;
    {
      MutexLock lock(mutex_);
      lock.Wait(changed_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return Drained() || changes_.to_compile.Ready() || questions_.to_compile.Ready();
      });
      if (Drained()) return;
      Lane* const first = compiled_change_ ? &questions_ : &changes_;
      Lane* const second = compiled_change_ ? &changes_ : &questions_;
      std::optional<std::unique_ptr<Task>> taken = first->to_compile.Take();
      if (!taken) taken = second->to_compile.Take();
      task = *std::move(taken);
      compiled_change_ = &LaneOf(task->job) == &changes_;
    }
    Lane& lane = LaneOf(task->job);
    const std::string peer = task->job.peer;
    task->names.wanted = {};
    task->job.run(&task->names);
    // The place is given back before the lock is taken.
    if (task->names.wanted.empty()) task.reset();
    {
      MutexLock lock(mutex_);
      lane.to_compile.Done(peer);
      if (task != nullptr) {
        lane.to_ask.Push(peer, std::move(task));
      } else {
        --tasks_;
      }
    }
    changed_.notify_all();
  }
}

void Compiler::Ask(Lane& lane) {
  while (true) {
    std::unique_ptr<Task> task;
    {
      MutexLock lock(mutex_);
      lock.Wait(changed_,
                [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return Drained() || lane.to_ask.Ready(); });
      if (Drained()) return;
      task = *lane.to_ask.Take();
    }
    const std::string peer = task->job.peer;
    if (!task->job.gone()) task->names.known.Add(look_up_(task->names.wanted));
    {
      MutexLock lock(mutex_);
      lane.to_ask.Done(peer);
      lane.to_compile.Push(peer, std::move(task));
    }
    changed_.notify_all();
  }
}

}  // namespace sluice::server
