#pragma once

#include <systemd/sd-daemon.h>

namespace sluice::agent {

// Tells the service manager that started us, if one did, how far we are (sd_notify(3)). Any
// thread; errors are ignored, as nobody could act on them.

// The queues are bound and, in mode on, the table is in place.
inline void TellReady() { sd_notify(0, "READY=1"); }

// Stopping, on purpose.
inline void TellStopping() { sd_notify(0, "STOPPING=1"); }

}  // namespace sluice::agent
