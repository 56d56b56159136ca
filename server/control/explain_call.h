#pragma once

#include <grpcpp/support/status.h>

#include "server/control/compiler.h"
#include "server/control/policy_store.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// ControlService.ExplainPolicy, from request to response: a job of the Compiler. Names in the
// policy now mean what they do to it; those of the packet are looked up.
grpc::Status ExplainPolicy(const v1::ExplainPolicyRequest& request, const PolicyStore& policies,
                           JobNames* names, v1::ExplainPolicyResponse* response);

}  // namespace sluice::server
