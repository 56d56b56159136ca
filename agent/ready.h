#pragma once

namespace sluice::agent {

// Tells the service manager that started us, if one did, how far we are (sd_notify(3)). Any
// thread; errors are ignored, as nobody could act on them.

// The queues are bound and, in mode on, the table is in place.
void TellReady();

// Stopping, on purpose.
void TellStopping();

}  // namespace sluice::agent
