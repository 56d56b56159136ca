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
  // Largest size of one event's flow on the wire, in bytes. Those of the kernel are below 1 KiB;
  // larger ones are ignored.
  size_t flow_bytes = 4096;
  // All flows together, live and ended, in their wire encoding. As many as fit above, of 400 bytes
  // each; those of the kernel have 100 to 500.
  size_t all_bytes = 44'000'000;
};

// The connections of one gateway, assembled from its conntrack events: the live ones and the last
// ones that ended. Not for concurrent use.
//
// Flows are kept in their wire encoding, 100 to 500 bytes each; a parsed message takes some 700. An
// event is merged by appending it, because parsing merges concatenated messages
// (protobuf.dev/programming-guides/encoding, "Last One Wins"); now and then the whole is encoded
// anew. Fields that this server does not know are not passed on. When the table is full, be it of
// connections or of bytes, the oldest ended ones make room first; then new connections are not
// added and live ones not updated until others end. Their events are still passed on.
//
// Loss: a Gap begins a new generation. Connections that the snapshot or an event names belong to
// it. On ResyncDone, those that do not belong to it have ended unseen, as have those that the agent
// reports as gone. Connections end while a snapshot is taken: those that ended since the Gap are
// kept as tombstones, and a snapshot that still names one is ignored. A ResyncDone that counts more
// connections than came since the last Gap belongs to an earlier snapshot that was cut short, and
// ends nothing.
class FlowTable final {
 public:
  // Called with each message for observers. `key` is null for gaps and completed resyncs.
  using Tell = std::function<void(const FlowKey* key, const v1::ObserveConnectionsResponse&)>;

  // `gateway` is the name in messages for observers.
  FlowTable(std::string gateway, FlowLimits limits = {});

  // Applies one event, and passes the messages for observers to `tell`, if given. Events that make
  // no sense change nothing. Packet events and expectations are ignored.
  void Take(const v1::Event& event, const Tell& tell);

  // A connection in the table.
  struct Remembered {
    int64_t time_ns;  // Of the last event, by the gateway's clock.
    v1::EventType type;
    bool end_unseen;
    const FlowKey* key;
    const std::string* flow;  // A v1::Flow, serialized.
  };
  // The live connections, in no particular order, then the ended ones in the order they ended.
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

  // Ends `live`, of whose end there was no event.
  void EndUnseen(LiveMap::iterator live, int64_t time_ns, const Tell& tell);
  // Removes it from live_; returns its flow.
  std::string TakeOut(LiveMap::iterator live);
  void AddEnded(const FlowKey& key, std::string flow, int64_t time_ns, bool end_unseen);
  void ForgetOldestEnded();
  // Whether so many more bytes can be kept, once the oldest ended connections have made room.
  bool HasRoomFor(size_t bytes);
  void Say(const FlowKey& key, int64_t time_ns, v1::EventType type, const std::string& flow,
           bool end_unseen, const Tell& tell);
  // Merges `event` into the serialized `flow`.
  void Merge(const v1::Flow& event, std::string* flow);

  const std::string gateway_;
  const FlowLimits limits_;
  size_t bytes_ = 0;  // Of the flows in live_ and ended_.
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
