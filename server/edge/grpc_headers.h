#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace sluice::server {

// HTTP header fields, names in lower case, in their order.
using Headers = std::vector<std::pair<std::string, std::string>>;

// The value of the first field with that name, "" if there is none.
std::string_view Find(const Headers& headers, std::string_view name);

// How gRPC is carried (gRPC's PROTOCOL-HTTP2 and PROTOCOL-WEB).
enum class GrpcWire {
  kGrpc,     // application/grpc: the status is in HTTP/2 trailers
  kGrpcWeb,  // application/grpc-web: the status is in a last frame of the body
};

// Nullopt for content types that are not gRPC with protobuf.
std::optional<GrpcWire> WireOf(std::string_view content_type);

// The value of grpc-timeout: up to eight digits and a unit. Nullopt if it is malformed.
std::optional<std::chrono::nanoseconds> ParseTimeout(std::string_view value);

// The fields that end a call: grpc-status, grpc-message (percent-encoded), and
// grpc-status-details-bin (base64) if the status has payloads.
Headers StatusFields(const absl::Status& status);

// Header fields as gRPC-Web's last frame has them.
std::string WebTrailers(const Headers& fields);

}  // namespace sluice::server
