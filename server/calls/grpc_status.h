#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace sluice::server {

// The status that a gRPC caller gets. Payloads become its details (status.proto): each is a
// serialized message under its type URL.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace sluice::server
