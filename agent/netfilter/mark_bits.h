#pragma once

#include <cstdint>

namespace sluice::agent {

// How the agent uses its eight packet-mark bits (hook.mark_mask). The verdict sets them, the chains
// of table inet sluice read them, and none leaves the gateway. From the lowest on:
//
//   1  seven bits of slot        let through; see AcceptMark
//   0  six bits of code       1  refused; see RefuseMark
//   0  three of state, three  0  undecided, on its way to the queue: what connection tracking makes
//      of repeats                of it, and how often it has been queued before

// The agent has let this packet pass.
constexpr uint32_t DecidedBit(uint32_t mark_mask) { return mark_mask & (~mark_mask + 1); }

// Without the former: the agent has refused this packet.
constexpr uint32_t RefusedBit(uint32_t mark_mask) { return DecidedBit(mark_mask) * 0x80; }

// A packet that is let through, and remembered as the slot says; 0: not remembered.
constexpr uint32_t kAcceptSlots = 128;
constexpr uint32_t AcceptMark(uint32_t mark_mask, uint32_t slot) {
  return DecidedBit(mark_mask) * (1 | slot << 1);
}

// What the sender of a refused packet is told.
enum class Notification : uint32_t {
  kNone = 0,
  kHostUnreachable = 1,
  kAdminProhibited = 2,
  kPortUnreachable = 3,
  kTcpReset = 4,
};

// A packet that is refused. The code is a Notification, or a slot that says also how it is
// remembered.
constexpr uint32_t kFirstRefuseSlot = 5;
constexpr uint32_t kRefuseCodes = 64;
constexpr uint32_t RefuseMark(uint32_t mark_mask, uint32_t code) {
  return DecidedBit(mark_mask) * (0x80 | code << 1);
}
constexpr uint32_t RefuseMark(uint32_t mark_mask, Notification notification) {
  return RefuseMark(mark_mask, static_cast<uint32_t>(notification));
}

// What connection tracking makes of an undecided packet.
enum class TrackedState : uint32_t {
  kUnknown = 0,
  kNew = 1,
  kEstablished = 2,
  kRelated = 3,
  kInvalid = 4,
  kUntold = 5,  // Connections are not tracked. All that is asked about has a state but kUnknown.
};
constexpr uint32_t StateBits(uint32_t mark_mask) { return DecidedBit(mark_mask) * 0xe; }
constexpr uint32_t StateMark(uint32_t mark_mask, TrackedState state) {
  return DecidedBit(mark_mask) * 2 * static_cast<uint32_t>(state);
}
constexpr uint32_t StateNumber(uint32_t mark_mask, uint32_t mark) {
  return mark_mask == 0 ? 0 : (mark & StateBits(mark_mask)) / (DecidedBit(mark_mask) * 2);
}

// How often the packet has been sent through the hook again, or from one of the agent's queues to
// another.
constexpr uint32_t kMostRepeats = 7;
constexpr uint32_t RepeatBits(uint32_t mark_mask) { return DecidedBit(mark_mask) * 0x70; }
constexpr uint32_t Repeats(uint32_t mark_mask, uint32_t mark) {
  return mark_mask == 0 ? 0 : (mark & RepeatBits(mark_mask)) / (DecidedBit(mark_mask) * 0x10);
}
// The mark of a packet that has been repeated so often.
constexpr uint32_t RepeatMark(uint32_t mark_mask, uint32_t repeats) {
  return DecidedBit(mark_mask) * 0x10 * repeats;
}

// How the agent uses its eight bits of connection marks (hook.connection_mark_mask): those of an
// accepted connection say in which generation it was accepted. No packet mark of ours that other
// tables get to see has the form of a generation, so a foreign rule that saves packet marks in
// connections (CONNMARK --save-mark) can have none accepted.
constexpr uint32_t kGenerations = 64;
constexpr uint32_t GenerationMark(uint32_t connection_mark_mask, uint32_t generation) {
  return RefuseMark(connection_mark_mask, generation);
}

}  // namespace sluice::agent
