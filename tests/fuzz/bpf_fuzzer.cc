// A program for the classic BPF machine, and a packet. The first byte is the number of
// instructions, which follow with eight bytes each; then come two bytes for the packet's length,
// and the bytes of it that were copied. Every accepted program must run without harm, and agree
// with libpcap's interpreter about packets that were copied whole.
#include <pcap/pcap.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "server/policy/terms/bpf_program.h"
#include "tests/fuzz/require.h"

namespace sluice::server::policy {
namespace {

void Try(std::span<const uint8_t> input) {
  if (input.empty()) return;
  const size_t count = std::min<size_t>(input[0], (input.size() - 1) / 8);
  // libpcap's interpreter does not initialize its memory.
  std::vector<BpfInstruction> program;
  for (uint32_t word = 0; word < 16; ++word) program.push_back({0x02, 0, 0, word});
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* bytes = input.data() + 1 + 8 * i;
    // Small numbers reach more code than large ones.
    const uint32_t k = (bytes[4] & 0xf0u) << 24 | bytes[5] << 16 | bytes[6] << 8 | bytes[7];
    program.push_back(
        {static_cast<uint16_t>(bytes[0] | (bytes[1] & 1) << 8), bytes[2], bytes[3], k});
  }
  std::vector<bpf_insn> theirs;
  for (const BpfInstruction& step : program) {
    theirs.push_back({step.code, step.jump_true, step.jump_false, step.k});
  }
  const absl::StatusOr<BpfProgram> ours = BpfProgram::Create(std::move(program));
  if (!ours.ok()) return;

  input = input.subspan(1 + 8 * count);
  size_t length = 0;
  if (input.size() >= 2) {
    length = static_cast<size_t>(input[0] << 8 | input[1]);
    input = input.subspan(2);
  }
  // On the heap, so that AddressSanitizer sees a read outside of it.
  const std::vector<uint8_t> copied(input.begin(), input.end());
  const BpfAnswer answer = ours->Run({copied, length});
  if (copied.empty()) return;
  const auto size = static_cast<u_int>(copied.size());
  const bool whole = bpf_filter(theirs.data(), copied.data(), size, size) != 0;
  Require(ours->Run({copied, copied.size()}) == (whole ? BpfAnswer::kMatch : BpfAnswer::kNoMatch));
  if (length < copied.size() || answer == BpfAnswer::kNotKnown) return;
  const bool cut = bpf_filter(theirs.data(), copied.data(), static_cast<u_int>(length), size) != 0;
  Require((answer == BpfAnswer::kMatch) == cut);
}

}  // namespace
}  // namespace sluice::server::policy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::server::policy::Try({data, size});
  return 0;
}
