#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::agent {

// An eBPF program that sees packets before or after netfilter does, and may forward them past it.
struct DatapathFinding {
  enum class Kind {
    kXdp,        // At the driver, before the kernel makes a packet of the frame.
    kTcIngress,  // A BPF filter where packets come in.
    kTcEgress,   // A BPF filter where packets go out.
  };
  Kind kind = Kind::kXdp;
  std::string interface;

  bool operator==(const DatapathFinding&) const = default;
};

// Lists the eBPF programs on the interfaces of this network namespace: XDP, and tc's filters of
// kind bpf. It does not see programs attached by tcx links. Changes nothing. Any thread, no state.
absl::StatusOr<std::vector<DatapathFinding>> SurveyDatapaths();

}  // namespace sluice::agent
