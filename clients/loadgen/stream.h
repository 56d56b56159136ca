#pragma once

#include <cstdint>
#include <string>

namespace sluice::loadgen {

// A stream of a simulated agent, as the worker sees it that takes events off the completion queue.
// Used by that worker's thread.
class Stream {
 public:
  enum class Event { kRead, kWritten, kFinished };
  // What the completion queue gives back.
  struct Tag {
    Stream* stream = nullptr;
    Event event = Event::kRead;
  };

  virtual ~Stream() = default;

  // Dials and says hello. Does not block.
  virtual void Start(int64_t now_ns) = 0;
  virtual void OnEvent(Event event, bool ok, int64_t now_ns) = 0;
  // Every 200 ms since Start. `late_ns`: we were busy when it was due, so that what the server
  // said since then may not have been read.
  virtual void Tick(int64_t now_ns, int64_t late_ns) = 0;
  // Ends it, for no fault of the server's. Nothing if it has ended.
  virtual void Cancel() = 0;
};

// Who owns it.
class StreamOwner {
 public:
  virtual void OnWelcome(int64_t now_ns) = 0;
  // It has ended, for this reason; empty: the server does not offer the service.
  virtual void OnEnd(const std::string& reason, int64_t now_ns) = 0;

 protected:
  ~StreamOwner() = default;
};

}  // namespace sluice::loadgen
