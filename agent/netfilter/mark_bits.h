#pragma once

#include <cstdint>

namespace sluice::agent {

// How the agent uses its eight packet-mark bits (hook.mark_mask). A verdict sets them, the chains
// of table inet sluice read them, and none of them leaves the gateway. From the lowest bit on:
//
//   1  seven bits of slot        accepted; see AcceptMark
//   0  six bits of code       1  dropped; see DropMark
//   0  three of state, three  0  undecided, on its way to the queue: its connection-tracking state,
//      of repeats                and how often it has been queued before

// The agent has accepted this packet.
constexpr uint32_t DecidedBit(uint32_t mark_mask) { return mark_mask & (~mark_mask + 1); }

// Without the decided bit: the agent has dropped this packet.
constexpr uint32_t DroppedBit(uint32_t mark_mask) { return DecidedBit(mark_mask) * 0x80; }

// The mark of a packet that is accepted, and remembered as the slot says. Slot 0: not remembered.
constexpr uint32_t kAcceptSlots = 128;
constexpr uint32_t AcceptMark(uint32_t mark_mask, uint32_t slot) {
  return DecidedBit(mark_mask) * (1 | slot << 1);
}

// The notice that the sender of a dropped packet is sent.
enum class Notice : uint32_t {
  kNone = 0,
  kHostUnreachable = 1,
  kAdminProhibited = 2,
  kPortUnreachable = 3,
  kTcpReset = 4,
};

// The mark of a packet that is dropped. The code is a Notice, or a slot, which also says how the
// packet is remembered.
constexpr uint32_t kFirstDropSlot = 5;
constexpr uint32_t kDropCodes = 64;
constexpr uint32_t DropMark(uint32_t mark_mask, uint32_t code) {
  return DecidedBit(mark_mask) * (0x80 | code << 1);
}
constexpr uint32_t DropMark(uint32_t mark_mask, Notice notice) {
  return DropMark(mark_mask, static_cast<uint32_t>(notice));
}

// The connection-tracking state of an undecided packet. A packet that is asked about has a state
// other than kUnknown.
enum class TrackedState : uint32_t {
  kUnknown = 0,
  kNew = 1,
  kEstablished = 2,
  kRelated = 3,
  kInvalid = 4,
  kUntold = 5,  // Connections are not tracked.
};
constexpr uint32_t StateBits(uint32_t mark_mask) { return DecidedBit(mark_mask) * 0xe; }
constexpr uint32_t StateMark(uint32_t mark_mask, TrackedState state) {
  return DecidedBit(mark_mask) * 2 * static_cast<uint32_t>(state);
}
constexpr uint32_t StateNumber(uint32_t mark_mask, uint32_t mark) {
  return mark_mask == 0 ? 0 : (mark & StateBits(mark_mask)) / (DecidedBit(mark_mask) * 2);
}

// How often the packet has been repeated (sent through the hook again), or requeued from one of the
// agent's queues to another.
constexpr uint32_t kMostRepeats = 7;
constexpr uint32_t RepeatBits(uint32_t mark_mask) { return DecidedBit(mark_mask) * 0x70; }
constexpr uint32_t Repeats(uint32_t mark_mask, uint32_t mark) {
  return mark_mask == 0 ? 0 : (mark & RepeatBits(mark_mask)) / (DecidedBit(mark_mask) * 0x10);
}
// The mark of a packet that has been repeated `repeats` times.
constexpr uint32_t RepeatMark(uint32_t mark_mask, uint32_t repeats) {
  return DecidedBit(mark_mask) * 0x10 * repeats;
}

// How the agent uses its eight bits of connection marks (hook.connection_mark_mask): in an accepted
// connection they say in which generation it was accepted. No packet mark of ours that other tables
// can see has the form of a generation. A foreign rule that saves packet marks in connections
// (CONNMARK --save-mark) can therefore not make a connection an accepted one.
constexpr uint32_t kConnectionMarkCount = 64;
constexpr uint32_t ConnectionMark(uint32_t connection_mark_mask, uint32_t generation) {
  return DropMark(connection_mark_mask, generation);
}

}  // namespace sluice::agent
