#pragma once

#include <cstdint>

namespace sluice::agent {

// How the agent uses its eight packet-mark bits (hook.mark_mask), from the lowest on. The verdict
// sets them, the chains of table inet sluice read them, and none leaves the gateway.

// The agent has let this packet pass.
constexpr uint32_t DecidedBit(uint32_t mark_mask) { return mark_mask & (~mark_mask + 1); }

// What the sender of a refused packet is told: three bits.
enum class Notification : uint32_t {
  kNone = 0,
  kHostUnreachable = 1,
  kAdminProhibited = 2,
  kPortUnreachable = 3,
  kTcpReset = 4,
};
constexpr uint32_t NotifyBits(uint32_t mark_mask) { return DecidedBit(mark_mask) * 0xe; }
constexpr uint32_t NotifyMark(uint32_t mark_mask, Notification notification) {
  return DecidedBit(mark_mask) * 2 * static_cast<uint32_t>(notification);
}

// How often the packet has been sent through the hook again, or from one of the agent's queues to
// another: three bits.
constexpr uint32_t kMostRepeats = 7;
constexpr uint32_t RepeatBits(uint32_t mark_mask) { return DecidedBit(mark_mask) * 0x70; }
constexpr uint32_t Repeats(uint32_t mark_mask, uint32_t mark) {
  return mark_mask == 0 ? 0 : (mark & RepeatBits(mark_mask)) / (DecidedBit(mark_mask) * 0x10);
}
// The mark of a packet that is repeated once more; not beyond kMostRepeats.
constexpr uint32_t RepeatedMark(uint32_t mark_mask, uint32_t mark) {
  return mark + DecidedBit(mark_mask) * 0x10;
}

}  // namespace sluice::agent
