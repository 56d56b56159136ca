#include <poll.h>
#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "clients/cli/interrupts.h"
#include "clients/cli/run.h"

namespace {

std::string Environment(const char* name, const char* otherwise) {
  const char* const value = getenv(name);
  return value && *value ? value : otherwise;
}

// The user; with sudo(8), the one who called it.
std::string User() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  const passwd* const entry = getpwuid(geteuid());
  const std::string name = entry ? entry->pw_name : std::to_string(geteuid());
  return (geteuid() == 0 ? Environment("SUDO_USER", name.c_str()) : name) + "@" + host;
}

// The reader of our output closed it, as head(1) does; that is not our failure.
bool ReaderGone() {
  pollfd out = {STDOUT_FILENO, 0, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

}  // namespace

int main(int argc, char** argv) {
  // The reader of our output may stop reading: writing then fails, and the verb ends.
  signal(SIGPIPE, SIG_IGN);
  std::ios::sync_with_stdio(false);
  sluice::cli::Interrupts interrupts;
  sluice::cli::Context context;
  context.in = &std::cin;
  context.in_fd = STDIN_FILENO;
  context.out = &std::cout;
  context.err = &std::cerr;
  context.default_server = Environment("SLUICE_SERVER", "127.0.0.1:7654");
  context.user = User();
  context.terminal = isatty(STDOUT_FILENO) && Environment("TERM", "dumb") != "dumb";
  context.color = context.terminal && Environment("NO_COLOR", "").empty();
  context.until_interrupt = [&interrupts] { return interrupts.Catch(); };
  const int code = sluice::cli::Run(std::vector<std::string>(argv + 1, argv + argc), context);
  if (std::cout.flush() || ReaderGone()) return code;
  std::cerr << "sluicectl: the output could not be written; is the disk full?\n";
  return 1;
}
