#pragma once

#include <absl/status/statusor.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sluice/v1/observe.pb.h"

namespace sluice::cli {

// The filter options of `observe`, as typed.
struct FilterOptions {
  std::vector<std::string> gateways;
  bool ipv4 = false;
  bool ipv6 = false;
  std::vector<std::string> protocols;
  std::string source;
  std::string destination;
  std::string address;
  std::optional<uint16_t> source_port;
  std::optional<uint16_t> destination_port;
  std::optional<uint16_t> port;
};

// How many entries are wanted, as typed.
struct ExtentOptions {
  std::optional<uint32_t> last;
  bool follow = false;
  uint64_t count = 0;  // 0: no end
};

// Adds --gateway, -4, -6, --proto, --src, --dst, --addr, --sport, --dport, --port to `verb`.
void AddFilterOptions(CLI::App& verb, FilterOptions* options);

// Adds --last, --follow, --count. `otherwise` is the help's text for the default of --last.
void AddExtentOptions(CLI::App& verb, const std::string& otherwise, ExtentOptions* options);

// INVALID_ARGUMENT names the option if the filter can never match.
absl::StatusOr<v1::ObserveFilter> BuildFilter(const FilterOptions& options);

}  // namespace sluice::cli
