#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Places for calls that cost the server something for as long as they last: calls themselves, or
// bytes kept for them. One peer (PeerKey) gets a share of them, a quarter, so that others still get
// in beside a peer that takes what it can. Outlives its places. Any thread may call.
class Places final {
 public:
  // One place or several. Given back when destroyed.
  class Place final {
   public:
    Place() = default;
    Place(Place&& other) noexcept { *this = std::move(other); }
    Place& operator=(Place&& other) noexcept {
      std::swap(places_, other.places_);
      std::swap(peer_, other.peer_);
      std::swap(count_, other.count_);
      return *this;
    }
    ~Place() { GiveBack(count_); }

    // Gives back so many of them.
    void GiveBack(size_t count) {
      if (places_ == nullptr || count == 0) return;
      places_->GiveBack(peer_, count);
      count_ -= count;
    }

   private:
    friend class Places;
    Place(Places* places, std::string peer, size_t count)
        : places_(places), peer_(std::move(peer)), count_(count) {}

    Places* places_ = nullptr;  // Not owned.
    std::string peer_;
    size_t count_ = 0;
  };

  // `what` is who takes the places, for messages: "observers".
  Places(const char* what, size_t most) : what_(what), most_(most), share_((most + 3) / 4) {}

  // RESOURCE_EXHAUSTED: there are not `count` places, or that is beyond the peer's share.
  absl::StatusOr<Place> Take(const std::string& peer, size_t count = 1) {
    if (count == 0) return Place();
    MutexLock lock(mutex_);
    if (taken_ + count > most_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("this server has ", most_, " ", what_, " already; try again later"));
    }
    const auto known = peers_.find(peer);
    const size_t of_peer = known == peers_.end() ? 0 : known->second;
    if (of_peer + count > share_) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "this server has ", share_, " ", what_, " from your address already, its share of ",
          most_, "; end one of them or try again later"));
    }
    peers_[peer] += count;
    taken_ += count;
    return Place(this, peer, count);
  }

 private:
  void GiveBack(const std::string& peer, size_t count) {
    MutexLock lock(mutex_);
    taken_ -= count;
    const auto found = peers_.find(peer);
    found->second -= count;
    if (found->second == 0) peers_.erase(found);
  }

  const char* const what_;
  const size_t most_;
  const size_t share_;
  Mutex mutex_;
  size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, size_t> peers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
