#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "server/flows/flow_key.h"
#include "sluice/v1/event.pb.h"
#include "sluice/v1/observe.pb.h"

namespace sluice::server {

// Bounds of a FlowTable.
struct FlowLimits {
  size_t live = 100'000;
  size_t ended = 10'000;
  // Bytes one event's flow may have on the wire; the kernel's are below 1 KiB. Larger ones are
  // not believed.
  size_t flow_bytes = 4096;
};

// The connections of one gateway, put together from its conntrack events: those alive and the
// last ones that ended. Not for concurrent use.
//
// Flows are kept as they are encoded on the wire, in 100 to 500 bytes; a parsed message takes some
// 700. An event is merged by appending it, as parsing merges what is one behind the other
// (protobuf.dev/programming-guides/encoding, "Last One Wins"), and now and then encoded anew.
// Fields that this server does not know come no further than this. When the table is full,
// connections that begin are not taken in until others end; their events are still passed on.
//
// Loss: a Gap begins a new generation. What the snapshot or an event names belongs to it; on
// ResyncDone what does not has ended unseen, as has what the agent says it found gone. A snapshot
// is taken while connections end, so what ended since the Gap is remembered, and a snapshot that
// still names it is not believed. A ResyncDone that counts more connections than came since the
// last Gap ended another, cut short one's snapshot, and sweeps nothing.
class FlowTable final {
 public:
  // What observers are told. `key` is null for gaps and the like.
  using Tell = std::function<void(const FlowKey* key, const v1::ObserveConnectionsResponse&)>;

  // `gateway` is put into what is told.
  FlowTable(std::string gateway, FlowLimits limits = {});

  // Takes one event in; tells what is to be told of it, if `tell` is given. Events that make no
  // sense change nothing. Packet notices and expectations are not its business.
  void Take(const v1::Event& event, const Tell& tell);

  // A connection remembered.
  struct Remembered {
    int64_t time_ns;  // Of the last event, by the gateway's clock.
    v1::EventType type;
    bool end_unseen;
    const FlowKey* key;
    const std::string* flow;  // A v1::Flow, serialized.
  };
  // Those alive, in no order, then those that ended, in order.
  void ForEach(const std::function<void(const Remembered&)>& see) const;

  size_t live() const { return live_.size(); }
  size_t ended() const { return ended_.size(); }

 private:
  struct Live {
    std::string flow;
    int64_t time_ns;
    std::optional<uint32_t> id;
    uint32_t generation;
    bool new_this_generation;
  };
  struct Ended {
    FlowKey key;
    std::string flow;
    int64_t time_ns;
    bool end_unseen;
  };
  struct Tombstone {
    FlowKey key;
    uint32_t id;
    bool operator==(const Tombstone&) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const Tombstone& stone) {
      return H::combine(std::move(hash), stone.key, stone.id);
    }
  };
  using LiveMap = absl::flat_hash_map<FlowKey, Live>;

  void TakeConntrack(const v1::Event& event, int64_t time_ns, const Tell& tell);
  void TakeGap(const v1::Event& event, const Tell& tell);
  void TakeResyncDone(const v1::Event& event, int64_t time_ns, const Tell& tell);
  void Sweep(int64_t time_ns, const Tell& tell);

  // Ends `live`, whose end nobody saw.
  void EndUnseen(LiveMap::iterator live, int64_t time_ns, const Tell& tell);
  void AddEnded(const FlowKey& key, std::string flow, int64_t time_ns, bool end_unseen);
  void Say(const FlowKey& key, int64_t time_ns, v1::EventType type, const std::string& flow,
           bool end_unseen, const Tell& tell);
  // Has `flow`, serialized, say what `event` says beside what it said before.
  void Merge(const v1::Flow& event, std::string* flow);

  const std::string gateway_;
  const FlowLimits limits_;
  LiveMap live_;
  std::deque<Ended> ended_;
  uint32_t generation_ = 0;
  bool resyncing_ = false;
  uint64_t snapshots_ = 0;  // Since the last Gap.
  absl::flat_hash_set<Tombstone> tombstones_;
  v1::Flow compacted_;
  v1::ObserveConnectionsResponse said_;
};

}  // namespace sluice::server
