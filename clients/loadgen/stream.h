#pragma once

#include <cstdint>
#include <string>

namespace sluice::loadgen {

// A stream of a simulated agent, as seen by the worker that takes events off the completion queue.
// Used by that worker's thread.
class Stream {
 public:
  enum class Event { kRead, kWritten, kFinished };
  // What the completion queue returns.
  struct Tag {
    Stream* stream = nullptr;
    Event event = Event::kRead;
  };

  virtual ~Stream() = default;

  // Dials and says hello. Does not block.
  virtual void Start(int64_t now_ns) = 0;
  virtual void OnEvent(Event event, bool ok, int64_t now_ns) = 0;
  // Called every 200 ms after Start. `late_ns` is how late this call is because we were busy: what
  // the server sent meanwhile may be unread.
  virtual void Tick(int64_t now_ns, int64_t late_ns) = 0;
  // Ends the stream through no fault of the server. Does nothing if it has ended.
  virtual void Cancel() = 0;
};

// The owner of a stream.
class StreamOwner {
 public:
  virtual void OnWelcome(int64_t now_ns) = 0;
  // The stream has ended, for this reason; empty: the server does not offer the service.
  virtual void OnEnd(const std::string& reason, int64_t now_ns) = 0;

 protected:
  ~StreamOwner() = default;
};

}  // namespace sluice::loadgen
