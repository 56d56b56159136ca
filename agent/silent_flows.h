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

// Connections that may end without a word: those that began before anybody listened to the kernel's
// events never tell of themselves (nf_conntrack_events = 2, the kernel's default). They are those
// of the first dump, less those of which an event came since. Each later dump shows which are gone.
// So there must be one now and then, until none of them is left: when the first of them may have
// timed out, and once a minute as they can end before.
//
// It knows no kernel and no thread; the ConntrackWatcher owns it and calls it with what was read
// and when. Memory: some 120 bytes for each of kAtMost; beyond, as many as a server lists, they are
// not watched.
class SilentFlows final {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  static constexpr size_t kAtMost = 100'000;
  static constexpr std::chrono::seconds kOftenest{1};
  static constexpr std::chrono::seconds kRarest{60};

  // An event came: that connection is not silent, or has ended.
  void Heard(const v1::Event& event);

  // Dumps one after the other, whoever they are made for.
  void DumpStarted(Instant now);
  void Seen(const v1::Event& entry);
  // The ends of those that are gone, as events.
  std::vector<v1::Event> DumpDone(Instant now, const google::protobuf::Timestamp& time);

  // When to dump again; absent: there is no need.
  std::optional<Instant> due() const;

 private:
  struct Silent {
    std::string flow;   // As much of it, serialized, as tells it from others.
    uint32_t dump = 0;  // That has shown it last.
  };

  bool first_ = true;
  uint32_t dump_ = 0;
  Instant started_;
  std::optional<Instant> due_;
  std::optional<uint32_t> first_timeout_s_;  // Of those the dump has shown, the least.
  absl::flat_hash_map<uint64_t, Silent> flows_;
};

}  // namespace sluice::agent
