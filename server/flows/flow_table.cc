#include "server/flows/flow_table.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

namespace sluice::server {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// A time far from any real one becomes 0, so that nothing overflows.
int64_t ToNanoseconds(const google::protobuf::Timestamp& time) {
  constexpr int64_t kMaxSeconds = int64_t{1} << 33;
  if (time.seconds() < 0 || time.seconds() > kMaxSeconds) return 0;
  if (time.nanos() < 0 || time.nanos() >= kSecond) return time.seconds() * kSecond;
  return time.seconds() * kSecond + time.nanos();
}

std::optional<uint32_t> IdOf(const v1::Flow& flow) {
  return flow.has_id() ? std::optional<uint32_t>(flow.id()) : std::nullopt;
}

// A flow that grew beyond this many bytes by appending is encoded anew. One event has some 120
// bytes.
constexpr size_t kCompactBeyond = 512;

// Whether the ids show two entries of the kernel's table that had the same tuple, one after the
// other.
bool Differ(std::optional<uint32_t> a, std::optional<uint32_t> b) { return a && b && a != b; }

}  // namespace

FlowTable::FlowTable(std::string gateway, FlowLimits limits)
    : gateway_(std::move(gateway)), limits_(limits) {}

void FlowTable::Take(const v1::Event& event, const Tell& tell) {
  const int64_t time_ns = ToNanoseconds(event.time());
  switch (event.event_case()) {
    case v1::Event::kConntrack:
      TakeConntrack(event, time_ns, tell);
      return;
    case v1::Event::kGap:
      TakeGap(event, tell);
      return;
    case v1::Event::kResyncDone:
      TakeResyncDone(event, time_ns, tell);
      return;
    case v1::Event::kExpectation:
    case v1::Event::kPacket:
    case v1::Event::EVENT_NOT_SET:
      return;
  }
}

void FlowTable::TakeConntrack(const v1::Event& event, int64_t time_ns, const Tell& tell) {
  const v1::EventType type = event.conntrack().type();
  const v1::Flow& flow = event.conntrack().flow();
  if (type == v1::EVENT_TYPE_SNAPSHOT && resyncing_) ++snapshots_;
  if (type < v1::EVENT_TYPE_NEW || type > v1::EVENT_TYPE_SNAPSHOT) return;
  const size_t bytes = flow.ByteSizeLong();
  if (bytes > limits_.flow_bytes) return;
  const std::optional<FlowKey> key = FlowKey::Of(flow);
  if (!key) return;
  const std::optional<uint32_t> id = IdOf(flow);
  auto live = live_.find(*key);

  if (type == v1::EVENT_TYPE_DESTROY && event.conntrack().unseen()) {
    // A connection that is unknown or was replaced has ended already.
    if (live != live_.end() && !Differ(live->second.id, id)) EndUnseen(live, time_ns, tell);
    return;
  }
  if (type == v1::EVENT_TYPE_DESTROY) {
    if (resyncing_ && id && tombstones_.size() < limits_.live) tombstones_.insert({*key, *id});
    // The end of an entry that was replaced does not end the one that replaced it.
    std::string ended;
    if (live != live_.end() && !Differ(live->second.id, id)) {
      ended = TakeOut(live);
    }
    Merge(flow, &ended);
    Say(*key, time_ns, type, ended, false, tell);
    AddEnded(*key, std::move(ended), time_ns, false);
    return;
  }

  if (type == v1::EVENT_TYPE_SNAPSHOT && resyncing_) {
    if (id && tombstones_.contains({*key, *id})) return;
    // The snapshot read an entry that has been replaced by the live one since.
    if (live != live_.end() && Differ(live->second.id, id) && live->second.new_this_generation) {
      return;
    }
  }
  const bool replaced =
      live != live_.end() && (Differ(live->second.id, id) ||
                              // The kernel never has two entries with one tuple at a time.
                              (type == v1::EVENT_TYPE_NEW && !(id && live->second.id == id)));
  if (replaced) {
    EndUnseen(live, time_ns, tell);
    live = live_.end();
  }
  if (live == live_.end()) {
    if (live_.size() >= limits_.live || !HasRoomFor(bytes)) {
      std::string alone;
      Merge(flow, &alone);
      Say(*key, time_ns, type, alone, false, tell);
      return;
    }
    live = live_.emplace(*key, Live{{}, 0, id, generation_, false}).first;
  }
  if (std::string& kept = live->second.flow; HasRoomFor(bytes)) {
    bytes_ -= kept.size();
    Merge(flow, &kept);
    bytes_ += kept.size();
    Say(*key, time_ns, type, kept, false, tell);
  } else {
    std::string merged = kept;
    Merge(flow, &merged);
    Say(*key, time_ns, type, merged, false, tell);
  }
  live->second.time_ns = time_ns;
  live->second.generation = generation_;
  if (id) live->second.id = id;
  if (type == v1::EVENT_TYPE_NEW) live->second.new_this_generation = true;
}

void FlowTable::TakeGap(const v1::Event& event, const Tell& tell) {
  ++generation_;
  resyncing_ = true;
  snapshots_ = 0;
  tombstones_.clear();
  for (auto& [key, live] : live_) live.new_this_generation = false;
  if (!tell) return;
  said_.Clear();
  *said_.mutable_time() = event.time();
  said_.set_gateway(gateway_);
  *said_.mutable_gap() = event.gap();
  said_.mutable_gap()->DiscardUnknownFields();
  tell(nullptr, said_);
}

void FlowTable::TakeResyncDone(const v1::Event& event, int64_t time_ns, const Tell& tell) {
  // The first part of this snapshot was sent before the last Gap; the agent will send another one.
  if (!resyncing_ || snapshots_ < event.resync_done().connections()) return;
  Sweep(time_ns, tell);
  resyncing_ = false;
  tombstones_ = {};
  if (!tell) return;
  said_.Clear();
  *said_.mutable_time() = event.time();
  said_.set_gateway(gateway_);
  said_.mutable_resync_done()->set_connections(event.resync_done().connections());
  tell(nullptr, said_);
}

void FlowTable::Sweep(int64_t time_ns, const Tell& tell) {
  for (auto live = live_.begin(); live != live_.end();) {
    const auto here = live++;
    if (here->second.generation != generation_) EndUnseen(here, time_ns, tell);
  }
}

void FlowTable::EndUnseen(LiveMap::iterator live, int64_t time_ns, const Tell& tell) {
  const FlowKey key = live->first;
  std::string flow = TakeOut(live);
  Say(key, time_ns, v1::EVENT_TYPE_DESTROY, flow, true, tell);
  AddEnded(key, std::move(flow), time_ns, true);
}

std::string FlowTable::TakeOut(LiveMap::iterator live) {
  std::string flow = std::move(live->second.flow);
  bytes_ -= flow.size();
  live_.erase(live);
  return flow;
}

void FlowTable::AddEnded(const FlowKey& key, std::string flow, int64_t time_ns, bool end_unseen) {
  if (!HasRoomFor(flow.size())) return;
  if (ended_.size() >= limits_.ended) ForgetOldestEnded();
  flow.shrink_to_fit();
  bytes_ += flow.size();
  ended_.push_back({key, std::move(flow), time_ns, end_unseen});
}

void FlowTable::ForgetOldestEnded() {
  bytes_ -= ended_.front().flow.size();
  ended_.pop_front();
}

bool FlowTable::HasRoomFor(size_t bytes) {
  while (bytes_ + bytes > limits_.all_bytes && !ended_.empty()) ForgetOldestEnded();
  return bytes_ + bytes <= limits_.all_bytes;
}

void FlowTable::Say(const FlowKey& key, int64_t time_ns, v1::EventType type,
                    const std::string& flow, bool end_unseen, const Tell& tell) {
  if (!tell) return;
  said_.Clear();
  *said_.mutable_time() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(time_ns);
  said_.set_gateway(gateway_);
  said_.set_type(type);
  said_.mutable_flow()->ParseFromString(flow);
  said_.mutable_flow()->DiscardUnknownFields();
  said_.set_end_unseen(end_unseen);
  tell(&key, said_);
}

void FlowTable::Merge(const v1::Flow& event, std::string* flow) {
  event.AppendToString(flow);
  if (flow->size() <= kCompactBeyond) return;
  compacted_.ParseFromString(*flow);
  // Unknown fields would pile up.
  compacted_.DiscardUnknownFields();
  *flow = compacted_.SerializeAsString();
}

void FlowTable::ForEach(const std::function<void(const Remembered&)>& see) const {
  for (const auto& [key, live] : live_) {
    see({live.time_ns, v1::EVENT_TYPE_SNAPSHOT, false, &key, &live.flow});
  }
  for (const Ended& ended : ended_) {
    see({ended.time_ns, v1::EVENT_TYPE_DESTROY, ended.end_unseen, &ended.key, &ended.flow});
  }
}

}  // namespace sluice::server
