#pragma once

#include "sluice/v1/event.pb.h"

namespace sluice::agent {

// Where events go to be reported. Any thread; nothing here blocks.
class EventSink {
 public:
  virtual ~EventSink() = default;

  // Takes `event`. One that cannot be kept is counted and told to the server, never to the caller.
  virtual void Post(v1::Event event) = 0;

  // Who posts in bulk, a snapshot for one, should pause: what is posted now may not fit.
  virtual bool Congested() const { return false; }
};

}  // namespace sluice::agent
