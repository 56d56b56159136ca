#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "google/protobuf/timestamp.pb.h"
#include "sluice/v1/event.pb.h"

namespace sluice::agent {

// Connections that may end without an event: the kernel sends none for those that began before
// anybody listened (nf_conntrack_events = 2, the kernel's default). They are the connections of the
// first dump, except those of which an event has come since. Each later dump shows which are gone.
// So dumps are made until none of them is left: when the first of them may have timed out, and once
// a minute, as they can end before.
//
// It knows no kernel and no thread; the ConntrackWatcher owns it and tells it what was read and
// when. Memory: some 120 bytes for each of kAtMost connections, which are as many as a server
// lists; more are not watched.
class SilentFlows final {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  static constexpr size_t kAtMost = 100'000;
  static constexpr std::chrono::seconds kOftenest{1};
  static constexpr std::chrono::seconds kRarest{60};

  // An event came: its connection is not silent, or has ended.
  void Heard(const v1::Event& event);

  // Dumps come one after the other, whatever they are made for.
  void DumpStarted(Instant now);
  void Seen(const v1::Event& entry);
  // Returns the ends of those that are gone, as events.
  std::vector<v1::Event> DumpDone(Instant now, const google::protobuf::Timestamp& time);

  // When to dump again; absent: there is no need.
  std::optional<Instant> due() const;

 private:
  struct Silent {
    std::string flow;   // Serialized: as much of it as tells it from others.
    uint32_t dump = 0;  // The latest that has shown it.
  };

  bool first_ = true;
  uint32_t dump_ = 0;
  Instant started_;
  std::optional<Instant> due_;
  std::optional<uint32_t> first_timeout_s_;  // The least of those the dump has shown.
  absl::flat_hash_map<uint64_t, Silent> flows_;
};

}  // namespace sluice::agent
