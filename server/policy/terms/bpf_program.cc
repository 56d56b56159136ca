#include "server/policy/terms/bpf_program.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sluice::server::policy {
namespace {

constexpr size_t kWords = 16;  // Of the machine's scratch memory.

// The parts of an instruction's code, with the numbers that every BPF implementation uses.
enum : uint16_t {
  kClass = 0x07,
  kLd = 0x00,
  kLdx = 0x01,
  kSt = 0x02,
  kStx = 0x03,
  kAlu = 0x04,
  kJmp = 0x05,
  kRet = 0x06,
  kMisc = 0x07,

  kWord = 0x00,
  kHalf = 0x08,
  kByte = 0x10,

  kImm = 0x00,
  kAbs = 0x20,
  kInd = 0x40,
  kMem = 0x60,
  kLen = 0x80,
  kMsh = 0xa0,

  kAdd = 0x00,
  kSub = 0x10,
  kMul = 0x20,
  kDiv = 0x30,
  kOr = 0x40,
  kAnd = 0x50,
  kLsh = 0x60,
  kRsh = 0x70,
  kNeg = 0x80,
  kMod = 0x90,
  kXor = 0xa0,

  kJa = 0x00,
  kJeq = 0x10,
  kJgt = 0x20,
  kJge = 0x30,
  kJset = 0x40,

  kX = 0x08,
  kOperation = 0xf0,

  kRetA = 0x10,
  kTax = 0x00,
  kTxa = 0x80,
};

// Offsets from here on mean the kernel's ancillary data (SKF_LL_OFF and above). libpcap reads the
// direction and the index of the interface there.
constexpr uint32_t kAncillary = 0x80000000;

absl::Status Wrong(size_t at, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("instruction ", at, ": ", std::string(what)));
}

bool IsLoad(uint16_t code) {
  const int mode = code & 0xe0;
  const int size = code & 0x18;
  if ((code & 0xff) != code || size == 0x18) return false;
  if ((code & kClass) == kLdx && mode == kMsh) return size == kByte;
  if (mode == kImm || mode == kMem || mode == kLen) return size == kWord;
  return (code & kClass) == kLd && (mode == kAbs || mode == kInd);
}

bool IsKnown(uint16_t code) {
  switch (code & kClass) {
    case kLd:
    case kLdx:
      return IsLoad(code);
    case kSt:
    case kStx:
      return code == kSt || code == kStx;
    case kAlu:
      return code <= (kAlu | kXor | kX) && code != (kAlu | kNeg | kX);
    case kJmp:
      return code <= (kJmp | kJset | kX) && code != (kJmp | kJa | kX);
    case kRet:
      return code == kRet || code == (kRet | kRetA);
    default:
      return code == (kMisc | kTax) || code == (kMisc | kTxa);
  }
}

absl::Status Check(const std::vector<BpfInstruction>& program, size_t at) {
  const BpfInstruction& step = program[at];
  if (!IsKnown(step.code)) return Wrong(at, absl::StrCat("unknown code ", step.code));
  const int kind = step.code & kClass;
  const bool memory =
      kind == kSt || kind == kStx || ((kind == kLd || kind == kLdx) && (step.code & 0xe0) == kMem);
  if (memory && step.k >= kWords) return Wrong(at, "there is no such memory");
  if (kind == kLd && (step.code & 0xe0) == kAbs && step.k >= kAncillary) {
    return Wrong(at, "it asks for what is not in the packet");
  }
  if ((step.code == (kAlu | kDiv) || step.code == (kAlu | kMod)) && step.k == 0) {
    return Wrong(at, "it divides by zero");
  }
  if ((step.code == (kAlu | kLsh) || step.code == (kAlu | kRsh)) && step.k >= 32) {
    return Wrong(at, "it shifts by more bits than there are");
  }
  if (kind == kJmp) {
    // As size_t, so that a backward jump, which libpcap writes as a large k, is also too far.
    const size_t left = program.size() - at - 1;
    const bool far = (step.code & kOperation) == kJa
                         ? step.k >= left
                         : std::max(step.jump_true, step.jump_false) >= left;
    if (far) return Wrong(at, "it jumps back, or past the end");
  }
  return absl::OkStatus();
}

// Where the bytes are that a load reads.
enum class Reach { kThere, kBeyondCopy, kBeyondPacket };

Reach ReachOf(const BpfPacket& packet, uint64_t offset, size_t size) {
  if (offset + size <= packet.copied.size()) return Reach::kThere;
  // A packet has at least the bytes that were copied, even if its stated length is smaller.
  const size_t length = std::max(packet.length, packet.copied.size());
  if (packet.length == 0 || offset + size <= length) return Reach::kBeyondCopy;
  return Reach::kBeyondPacket;
}

uint32_t Read(std::span<const uint8_t> bytes) {
  uint32_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

size_t SizeOf(uint16_t code) { return (code & 0x18) == kWord ? 4 : (code & 0x18) == kHalf ? 2 : 1; }

// Nothing for a division by zero.
std::optional<uint32_t> Compute(int operation, uint32_t a, uint32_t b) {
  switch (operation) {
    case kAdd:
      return a + b;
    case kSub:
      return a - b;
    case kMul:
      return a * b;
    case kDiv:
      return b == 0 ? std::nullopt : std::optional(a / b);
    case kMod:
      return b == 0 ? std::nullopt : std::optional(a % b);
    case kOr:
      return a | b;
    case kAnd:
      return a & b;
    case kXor:
      return a ^ b;
    case kLsh:
      return b < 32 ? a << b : 0;
    case kRsh:
      return b < 32 ? a >> b : 0;
    default:  // kNeg
      return 0 - a;
  }
}

bool Holds(int operation, uint32_t a, uint32_t b) {
  switch (operation) {
    case kJeq:
      return a == b;
    case kJgt:
      return a > b;
    case kJge:
      return a >= b;
    default:  // kJset
      return (a & b) != 0;
  }
}

}  // namespace

absl::StatusOr<BpfProgram> BpfProgram::Create(std::vector<BpfInstruction> instructions) {
  if (instructions.empty() || instructions.size() > kMostInstructions) {
    return absl::InvalidArgumentError(absl::StrCat("a program of ", instructions.size(),
                                                   " instructions; at most ", kMostInstructions,
                                                   " are taken"));
  }
  for (size_t i = 0; i < instructions.size(); ++i) {
    if (absl::Status status = Check(instructions, i); !status.ok()) return status;
  }
  if ((instructions.back().code & kClass) != kRet) {
    return Wrong(instructions.size() - 1, "the last one does not return");
  }
  return BpfProgram(std::move(instructions));
}

BpfAnswer BpfProgram::Run(const BpfPacket& packet) const {
  uint32_t a = 0;
  uint32_t x = 0;
  std::array<uint32_t, kWords> memory{};
  for (const BpfInstruction* step = instructions_.data();; ++step) {
    const uint16_t code = step->code;
    switch (code & kClass) {
      case kLd:
      case kLdx: {
        uint32_t value = step->k;
        const int mode = code & 0xe0;
        if (mode == kMem) {
          value = memory[step->k];
        } else if (mode == kLen) {
          if (packet.length == 0) return BpfAnswer::kNotKnown;
          value = static_cast<uint32_t>(std::max(packet.length, packet.copied.size()));
        } else if (mode != kImm) {
          const uint64_t offset = uint64_t{step->k} + (mode == kInd ? x : 0);
          const size_t size = SizeOf(code);
          const Reach reach = ReachOf(packet, offset, size);
          if (reach == Reach::kBeyondCopy) return BpfAnswer::kNotKnown;
          if (reach == Reach::kBeyondPacket) return BpfAnswer::kNoMatch;
          value = Read(packet.copied.subspan(offset, size));
          if (mode == kMsh) value = (value & 15) * 4;  // The length of an IPv4 header.
        }
        ((code & kClass) == kLd ? a : x) = value;
        break;
      }
      case kSt:
        memory[step->k] = a;
        break;
      case kStx:
        memory[step->k] = x;
        break;
      case kAlu: {
        const std::optional<uint32_t> result =
            Compute(code & kOperation, a, (code & kX) != 0 ? x : step->k);
        if (!result) return BpfAnswer::kNoMatch;
        a = *result;
        break;
      }
      case kJmp:
        if ((code & kOperation) == kJa) {
          step += step->k;
        } else {
          const bool holds = Holds(code & kOperation, a, (code & kX) != 0 ? x : step->k);
          step += holds ? step->jump_true : step->jump_false;
        }
        break;
      case kRet:
        return ((code & kRetA) != 0 ? a : step->k) != 0 ? BpfAnswer::kMatch : BpfAnswer::kNoMatch;
      default:
        ((code & kTxa) != 0 ? a : x) = (code & kTxa) != 0 ? x : a;
        break;
    }
  }
}

}  // namespace sluice::server::policy
