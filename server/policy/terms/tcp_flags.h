#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::server::policy {

// The bit of a TCP flag (RFC 9293) by its lower-case name: `fin`, `syn`, `rst`, `psh`, `ack`,
// `urg`, `ece`, `cwr`.
std::optional<uint8_t> FindTcpFlag(std::string_view name);

// The known name nearest to a misspelt one; empty if none is near.
std::string_view NearestTcpFlag(std::string_view name);

}  // namespace sluice::server::policy
