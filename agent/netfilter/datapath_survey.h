#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::agent {

// A program that sees packets before or after netfilter does, and may forward them past it.
struct DatapathFinding {
  enum class Kind {
    kXdp,        // At the driver, before the kernel has a packet of it.
    kTcIngress,  // A BPF filter where packets come in,
    kTcEgress,   // or go out.
  };
  Kind kind = Kind::kXdp;
  std::string interface;

  bool operator==(const DatapathFinding&) const = default;
};

// Asks for the eBPF programs on the interfaces of this network namespace: XDP, and tc's filters of
// kind bpf. Those attached by tcx links are not seen. Changes nothing. Any thread, no state.
absl::StatusOr<std::vector<DatapathFinding>> SurveyDatapaths();

}  // namespace sluice::agent
