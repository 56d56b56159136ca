#pragma once

#include <google/protobuf/arena.h>

#include <array>

namespace sluice::agent {

// A message in an arena of its own, which can be filled again and again: it mostly lives in one
// block of memory, where a message on the heap takes about three allocations for each verdict it
// brings.
template <typename Message>
class ArenaMessage final {
 public:
  ArenaMessage() { Clear(); }
  ArenaMessage(const ArenaMessage&) = delete;
  ArenaMessage& operator=(const ArenaMessage&) = delete;

  Message* get() { return message_; }
  Message& operator*() { return *message_; }

  // Discards what the message held; its address changes.
  void Clear() {
    arena_.Reset();
    message_ = google::protobuf::Arena::CreateMessage<Message>(&arena_);
  }

 private:
  // Enough for some 50 verdicts; a usual batch has 20.
  alignas(8) std::array<char, 8192> block_;
  google::protobuf::Arena arena_{block_.data(), block_.size()};
  Message* message_ = nullptr;  // In the arena.
};

}  // namespace sluice::agent
