#include "agent/connections/conntrack_resync.h"

#include <string>
#include <utility>

#include "agent/connections/flow_key.h"

namespace sluice::agent {
namespace {

// IPS_DYING (nf_conntrack_common.h): the entry is on its way out of the table, its DESTROY event
// is sent already.
constexpr uint32_t kDying = 1 << 9;

}  // namespace

void ConntrackResync::Post(v1::Event event) {
  last_gap_ = event.has_gap() ? event.gap().cause() : v1::GAP_CAUSE_UNSPECIFIED;
  sink_->Post(std::move(event));
}

void ConntrackResync::PostHeld() {
  for (v1::Event& event : held_) Post(std::move(event));
  held_.clear();
}

void ConntrackResync::Follow(std::vector<v1::Event>& events) {
  for (v1::Event& event : events) {
    if (!dumping_) {
      Post(std::move(event));
      continue;
    }
    if (event.has_conntrack()) {
      const v1::ConntrackEvent& conntrack = event.conntrack();
      if (conntrack.type() == v1::EVENT_TYPE_DESTROY) tombstones_.insert(FlowKey(conntrack.flow()));
      if (conntrack.type() == v1::EVENT_TYPE_NEW) tombstones_.erase(FlowKey(conntrack.flow()));
    }
    held_.push_back(std::move(event));
    if (held_.size() >= kHeldAtMost) PostHeld();
  }
  events.clear();
  if (tombstones_.size() > tombstones_at_most_) DumpBroken();
}

void ConntrackResync::MarkGap(v1::GapCause cause, uint64_t lost_at_least,
                              const google::protobuf::Timestamp& time) {
  EndDump();
  wanted_ = true;
  if (cause == v1::GAP_CAUSE_KERNEL_OVERRUN && cause == last_gap_) return;
  v1::Event event;
  *event.mutable_time() = time;
  event.mutable_gap()->set_cause(cause);
  event.mutable_gap()->set_lost_at_least(lost_at_least);
  Post(std::move(event));
}

std::optional<ConntrackResync::Instant> ConntrackResync::due() const {
  if (!wanted_) return std::nullopt;
  return last_start_ ? *last_start_ + kInterval : Instant::min();
}

void ConntrackResync::DumpStarted(Instant now) {
  wanted_ = false;
  last_start_ = now;
  dumping_ = true;
  connections_ = 0;
}

void ConntrackResync::Snapshot(std::vector<v1::Event>& entries) {
  for (v1::Event& entry : entries) {
    const v1::Flow& flow = entry.conntrack().flow();
    if (flow.status() & kDying) continue;
    if (!tombstones_.empty() && tombstones_.contains(FlowKey(flow))) continue;
    ++connections_;
    Post(std::move(entry));
  }
  entries.clear();
  PostHeld();
}

void ConntrackResync::DumpDone(const google::protobuf::Timestamp& time) {
  EndDump();
  v1::Event event;
  *event.mutable_time() = time;
  event.mutable_resync_done()->set_connections(connections_);
  Post(std::move(event));
}

void ConntrackResync::DumpBroken() {
  EndDump();
  wanted_ = true;
}

void ConntrackResync::EndDump() {
  PostHeld();
  dumping_ = false;
  // Not clear(), which keeps the memory of the largest dump ever.
  tombstones_ = {};
}

}  // namespace sluice::agent
