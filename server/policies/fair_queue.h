#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <utility>

namespace sluice::server {

// Items of several peers, which take turns: whoever puts many in waits for them, and others do not.
// Used with the owner's lock held.
template <typename Item>
class FairQueue final {
 public:
  // Of one peer, at most `each` items are out at once: taken, but not done.
  explicit FairQueue(size_t each = SIZE_MAX) : each_(each) {}

  void Push(const std::string& peer, Item item) {
    auto found = Find(peer);
    if (found == peers_.end()) found = peers_.insert(found, Peer{peer, {}, 0});
    found->items.push_back(std::move(item));
  }

  // Whether Take gives an item.
  bool Ready() const {
    return std::any_of(peers_.begin(), peers_.end(), [this](const Peer& p) { return Ready(p); });
  }

  // The oldest item of the peer whose turn it is, if there is one that may be taken. Whoever takes
  // it calls Done.
  std::optional<Item> Take() {
    const auto found =
        std::find_if(peers_.begin(), peers_.end(), [this](const Peer& p) { return Ready(p); });
    if (found == peers_.end()) return std::nullopt;
    std::optional<Item> item(std::move(found->items.front()));
    found->items.pop_front();
    ++found->out;
    peers_.splice(peers_.end(), peers_, found);  // Its next turn comes after all others.
    return item;
  }

  // An item of this peer is done.
  void Done(const std::string& peer) {
    const auto found = Find(peer);
    --found->out;
    if (found->out == 0 && found->items.empty()) peers_.erase(found);
  }

 private:
  struct Peer {
    std::string name;
    std::deque<Item> items;
    size_t out;
  };

  bool Ready(const Peer& peer) const { return !peer.items.empty() && peer.out < each_; }
  auto Find(const std::string& peer) {
    return std::find_if(peers_.begin(), peers_.end(),
                        [&peer](const Peer& known) { return known.name == peer; });
  }

  const size_t each_;
  std::list<Peer> peers_;  // The next to take a turn first.
};

}  // namespace sluice::server
