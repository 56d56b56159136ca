#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::server::policy {

// What a program says about a packet of which perhaps only a part was copied.
enum class BpfAnswer { kNoMatch, kMatch, kNotKnown };

// An instruction of the classic BPF machine (McCanne and Jacobson, 1993), in libpcap's encoding.
struct BpfInstruction {
  uint16_t code = 0;
  uint8_t jump_true = 0;
  uint8_t jump_false = 0;
  uint32_t k = 0;
};

// A packet as a program sees it.
struct BpfPacket {
  std::span<const uint8_t> copied;  // From the network header on, as far as it was copied.
  size_t length = 0;                // Of the whole packet; 0 if it is not known.
};

// A program for the classic BPF machine. It is checked once, so that running it is safe: it only
// jumps forward, and so ends after at most as many steps as it has instructions. We do not run it
// with libpcap's bpf_filter, because to that function bytes that were not copied do not exist: it
// would say that a packet cut short does not match, and a rule that rejects would let the packet
// pass. Immutable; any number of threads; a run allocates nothing.
class BpfProgram final {
 public:
  // The limit of the Linux kernel for its programs (BPF_MAXINSNS).
  static constexpr size_t kMostInstructions = 4096;

  // INVALID_ARGUMENT, with the reason in words, for a program that could loop, run past its end,
  // use memory that does not exist, divide by a constant zero, shift by a constant 32 or more, read
  // anything other than the packet's bytes (the kernel's ancillary data), or that has unknown
  // instructions.
  static absl::StatusOr<BpfProgram> Create(std::vector<BpfInstruction> instructions);

  // As the machine's rules say, a load beyond the packet's real end is no match, and so is a
  // division by zero. A load beyond the copied bytes, or of an unknown length, is kNotKnown.
  BpfAnswer Run(const BpfPacket& packet) const;

  // The same for a rule, for which kNotKnown means `unknown`.
  bool Matches(const BpfPacket& packet, bool unknown) const {
    const BpfAnswer answer = Run(packet);
    return answer == BpfAnswer::kNotKnown ? unknown : answer == BpfAnswer::kMatch;
  }

  // Number of instructions.
  size_t size() const { return instructions_.size(); }

 private:
  explicit BpfProgram(std::vector<BpfInstruction> instructions)
      : instructions_(std::move(instructions)) {}

  std::vector<BpfInstruction> instructions_;
};

}  // namespace sluice::server::policy
