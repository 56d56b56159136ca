#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::server::policy {

// What a program says of a packet of which perhaps not all bytes are there.
enum class BpfAnswer { kNoMatch, kMatch, kNotKnown };

// An instruction of the classic BPF machine (McCanne and Jacobson, 1993), as libpcap has them.
struct BpfInstruction {
  uint16_t code = 0;
  uint8_t jump_true = 0;
  uint8_t jump_false = 0;
  uint32_t k = 0;
};

// A packet as a program sees it.
struct BpfPacket {
  std::span<const uint8_t> copied;  // From the network header on, as far as it was copied.
  size_t length = 0;                // Of the whole packet; 0 where it is not known.
};

// A program for the classic BPF machine, checked once so that running it needs no care: it only
// jumps forward, and so ends after at most as many steps as it has instructions. Interpreted here
// and not by libpcap's bpf_filter, to which bytes that were not copied do not exist: it would say
// that a packet cut short does not match, and a rule that rejects would let it pass. Immutable; any
// number of threads; a run allocates nothing.
class BpfProgram final {
 public:
  // Of the Linux kernel's programs (BPF_MAXINSNS).
  static constexpr size_t kMostInstructions = 4096;

  // INVALID_ARGUMENT, with what is wrong in words, for a program that could loop, run past its end,
  // use memory there is not, divide by a constant zero, shift by a constant 32 or more, or look at
  // anything beside the packet's bytes (the kernel's ancillary data), and for instructions there
  // are not.
  static absl::StatusOr<BpfProgram> Create(std::vector<BpfInstruction> instructions);

  // A load beyond the packet's real end is no match, as is a division by zero: the machine's rules.
  // One beyond the bytes copied, or of a length not known, is kNotKnown.
  BpfAnswer Run(const BpfPacket& packet) const;

  // The same for a rule, to which what is not known is `unknown`.
  bool Matches(const BpfPacket& packet, bool unknown) const {
    const BpfAnswer answer = Run(packet);
    return answer == BpfAnswer::kNotKnown ? unknown : answer == BpfAnswer::kMatch;
  }

  // Instructions.
  size_t size() const { return instructions_.size(); }

 private:
  explicit BpfProgram(std::vector<BpfInstruction> instructions)
      : instructions_(std::move(instructions)) {}

  std::vector<BpfInstruction> instructions_;
};

}  // namespace sluice::server::policy
