#pragma once

#include <cassert>
#include <utility>

namespace sluice::agent {

// The right to tell the kernel what becomes of one packet. It exists once for each packet that was
// received, moves with the packet, and is used up by the answer (PacketAnswers). A right that is
// destroyed or overwritten unused is a packet that hangs in the kernel until its queue is closed.
// Builds with assertions, as all tests are, end the program there; others do not check.
class AnswerRight final {
 public:
  // None.
  AnswerRight() = default;
  // For a packet that was just received.
  static AnswerRight OfReceived() {
    AnswerRight right;
    right.held_ = true;
    return right;
  }

  AnswerRight(AnswerRight&& other) noexcept : held_(std::exchange(other.held_, false)) {}
  AnswerRight& operator=(AnswerRight&& other) noexcept {
    assert(!held_ && "a packet was left unanswered");
    held_ = std::exchange(other.held_, false);
    return *this;
  }
  ~AnswerRight() { assert(!held_ && "a packet was left unanswered"); }

  void Use() {
    assert(held_ && "a packet is answered twice");
    held_ = false;
  }

 private:
  bool held_ = false;
};

}  // namespace sluice::agent
