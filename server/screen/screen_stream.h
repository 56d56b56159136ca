#pragma once

#include <memory>

#include "server/calls/bidi_reactor.h"
#include "server/gateways/registry.h"
#include "server/screen/screens.h"
#include "server/streams/ticker.h"
#include "sluice/v1/control.grpc.pb.h"

namespace sluice::server {

// A Screen call: enters its caller as the screener of a gateway until it ends. Deletes itself.
Reactor* BeginScreen(std::unique_ptr<BidiCall<v1::ScreenRequest, v1::ScreenResponse>> call,
                     Screens* screens, const Registry* registry, Ticker* ticker);

}  // namespace sluice::server
