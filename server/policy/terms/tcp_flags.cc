#include "server/policy/terms/tcp_flags.h"

#include <algorithm>
#include <array>

#include "server/policy/terms/nearest_word.h"

namespace sluice::server::policy {
namespace {

// In the order of their bits.
constexpr std::array<std::string_view, 8> kFlags = {"fin", "syn", "rst", "psh",
                                                    "ack", "urg", "ece", "cwr"};

}  // namespace

std::optional<uint8_t> FindTcpFlag(std::string_view name) {
  const auto found = std::find(kFlags.begin(), kFlags.end(), name);
  if (found == kFlags.end()) return std::nullopt;
  return static_cast<uint8_t>(1u << (found - kFlags.begin()));
}

std::string_view NearestTcpFlag(std::string_view name) { return NearestWord(name, kFlags); }

}  // namespace sluice::server::policy
