#pragma once

#include <cstdint>

#include "agent/remembered/verdict_memory.h"

namespace sluice::agent {

// A queue whose verdicts may be remembered, as RememberedVerdicts sees it: QueueLoop, and what
// stands for it in tests. Any thread may call.
class RememberingQueue {
 public:
  virtual ~RememberingQueue() = default;

  // When this returns, no verdict of the queue carries a slot any more, and the kernel has been
  // told those that did.
  virtual void StopRemembering() = 0;
  // What can be remembered from now on.
  virtual void StartRemembering(const Rememberable& rememberable) = 0;
  // Verdicts that were not remembered because there are too many kinds of them.
  virtual uint64_t unslotted() = 0;
};

}  // namespace sluice::agent
