#pragma once

#include <memory>

#include "server/calls/bidi_reactor.h"
#include "server/gateways/registry.h"
#include "server/screen/screeners.h"
#include "server/streams/ticker.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// Makes the reactor of a Screen call, which deletes itself. Its caller is the screener of a gateway
// until the call ends.
void BeginScreen(std::shared_ptr<Call> call, Screeners* screeners, const Registry* registry,
                 Ticker* ticker);

}  // namespace sluice::server
