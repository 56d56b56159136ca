#pragma once

#include <google/protobuf/arena.h>

namespace sluice::agent {

// A message in an arena of its own: what it consists of is one block of memory, mostly, where a
// message in the heap takes some three allocations for each verdict it brings.
template <typename Message>
class ArenaMessage final {
 public:
  ArenaMessage()
      : arena_(Options()), message_(google::protobuf::Arena::CreateMessage<Message>(&arena_)) {}
  ArenaMessage(const ArenaMessage&) = delete;
  ArenaMessage& operator=(const ArenaMessage&) = delete;

  Message* get() { return message_; }
  Message& operator*() { return *message_; }

 private:
  static google::protobuf::ArenaOptions Options() {
    google::protobuf::ArenaOptions options;
    // Some 20 verdicts, as a usual batch has.
    options.start_block_size = 4096;
    return options;
  }

  google::protobuf::Arena arena_;
  Message* const message_;  // In the arena.
};

}  // namespace sluice::agent
