#pragma once

#include <csignal>

namespace sluice {

// Ignores every signal that would end or stop a daemon by default although its sender does not mean
// to: the reader of the log is gone, a terminal was closed or put in the background, a timer
// expired, a file limit was reached. SIGTERM, SIGINT, SIGQUIT, SIGKILL and the signals for faults
// of the program itself still end it. Call before any thread starts.
inline void IgnoreStraySignals() {
  for (const int number : {SIGHUP, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2, SIGIO,
                           SIGPWR, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGTTIN, SIGTTOU}) {
    signal(number, SIG_IGN);
  }
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) signal(number, SIG_IGN);
}

}  // namespace sluice
