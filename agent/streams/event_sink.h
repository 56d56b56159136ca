#pragma once

#include "sluice/v1/event.pb.h"

namespace sluice::agent {

// Where events go to be reported. Any thread; nothing here blocks.
class EventSink {
 public:
  virtual ~EventSink() = default;

  // Takes `event`. If it cannot be kept, it is counted and the server is told, never the caller.
  virtual void Post(v1::Event event) = 0;

  // Those who post in bulk, a snapshot for instance, should pause: what is posted now may not fit.
  virtual bool Congested() const { return false; }
};

}  // namespace sluice::agent
