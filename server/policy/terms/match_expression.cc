#include "server/policy/terms/match_expression.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/policy/terms/problems.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server::policy {
namespace {

// To libpcap packets are whole: it only makes programs return this number.
constexpr int kSnapLength = 65535;
// Longer than any message of libpcap's own; a message may contain the expression.
constexpr size_t kLongestMessage = 300;

// Since 1.8 libpcap says that pcap_compile is thread-safe, but it does not say so of everything
// pcap_compile uses (namedb(3PCAP) returns memory of its own). No packet waits for compiling, so
// one thread may wait for another.
Mutex& CompilerMutex() {
  static Mutex mutex;
  return mutex;
}

}  // namespace

absl::StatusOr<BpfProgram> CompileMatch(std::string_view expression) {
  const bool blank = std::all_of(expression.begin(), expression.end(),
                                 [](char c) { return c == ' ' || c == '\t'; });
  // To libpcap an empty expression matches every packet. Whoever forgot the expression did not mean
  // that.
  if (blank) return absl::InvalidArgumentError("the expression is empty");
  if (expression.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError("there is a zero byte in the expression");
  }
  if (absl::Status status = CheckMatchWords(expression); !status.ok()) return status;

  MutexLock lock(CompilerMutex());
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> raw(pcap_open_dead(DLT_RAW, kSnapLength),
                                                           &pcap_close);
  if (raw == nullptr) return absl::ResourceExhaustedError("no memory for libpcap");
  bpf_program program{};
  const std::string text(expression);
  if (pcap_compile(raw.get(), &program, text.c_str(), /*optimize=*/1, PCAP_NETMASK_UNKNOWN) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("libpcap: ", OneLine(pcap_geterr(raw.get()), kLongestMessage)));
  }
  std::vector<BpfInstruction> instructions;
  instructions.reserve(program.bf_len);
  for (u_int i = 0; i < program.bf_len; ++i) {
    const bpf_insn& step = program.bf_insns[i];
    instructions.push_back({step.code, step.jt, step.jf, step.k});
  }
  pcap_freecode(&program);
  return BpfProgram::Create(std::move(instructions));
}

}  // namespace sluice::server::policy
