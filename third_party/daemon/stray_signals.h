#pragma once

#include <csignal>

namespace sluice {

// Has every signal ignored that would end or stop a daemon by default though nobody who sends it
// means that: a log whose reader is gone, a terminal that is closed or was put in the background, a
// timer, a limit on files. What ends it stays: SIGTERM, SIGINT, SIGQUIT, SIGKILL and the faults of
// the program itself. Before any thread starts.
inline void IgnoreStraySignals() {
  for (const int number : {SIGHUP, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2, SIGIO,
                           SIGPWR, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGTTIN, SIGTTOU}) {
    signal(number, SIG_IGN);
  }
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) signal(number, SIG_IGN);
}

}  // namespace sluice
