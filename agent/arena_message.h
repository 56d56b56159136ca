#pragma once

#include <google/protobuf/arena.h>

#include <array>

namespace sluice::agent {

// A message in an arena of its own, to be filled again and again: what it consists of is one block
// of memory, mostly, where a message in the heap takes some three allocations for each verdict it
// brings.
template <typename Message>
class ArenaMessage final {
 public:
  ArenaMessage() { Clear(); }
  ArenaMessage(const ArenaMessage&) = delete;
  ArenaMessage& operator=(const ArenaMessage&) = delete;

  Message* get() { return message_; }
  Message& operator*() { return *message_; }

  // What it held is gone, and so is its address.
  void Clear() {
    arena_.Reset();
    message_ = google::protobuf::Arena::CreateMessage<Message>(&arena_);
  }

 private:
  // Of some 50 verdicts; a usual batch has 20.
  alignas(8) std::array<char, 8192> block_;
  google::protobuf::Arena arena_{block_.data(), block_.size()};
  Message* message_ = nullptr;  // In the arena.
};

}  // namespace sluice::agent
