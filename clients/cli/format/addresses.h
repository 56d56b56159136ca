#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/v1/observe.pb.h"

namespace sluice::cli {

// "192.0.2.1" or "2001:db8::1" for 4 or 16 bytes; hex for any other length, "" for none.
std::string FormatAddress(std::string_view bytes);

// "192.0.2.1:80", "[2001:db8::1]:80"; without a port only the address.
std::string FormatEndpoint(std::string_view address, std::optional<uint32_t> port);

// Hex, two lower-case digits a byte.
std::string FormatHex(std::string_view bytes);

// Parses an address or network in CIDR notation, "10.0.0.0/8", "2001:db8::1". A part of
// ::ffff:0:0/96 becomes the IPv4 network. INVALID_ARGUMENT says what is wrong and what is expected.
absl::StatusOr<v1::Prefix> ParsePrefix(std::string_view text);

// The gRPC target for the server at `text`: adds the default port if there is none ("10.0.2.2",
// "fe80::1"), and leaves unix: and other schemes as they are.
std::string ServerTarget(std::string_view text);

}  // namespace sluice::cli
