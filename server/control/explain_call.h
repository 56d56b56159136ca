#pragma once

#include <grpcpp/support/status.h>

#include "server/control/policy_store.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// ControlService.ExplainPolicy, from request to response. Compiles: a worker runs it.
grpc::Status ExplainPolicy(const v1::ExplainPolicyRequest& request, const PolicyStore& policies,
                           v1::ExplainPolicyResponse* response);

}  // namespace sluice::server
