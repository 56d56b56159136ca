// sluice-loadgen: simulates a fleet of agents, to find out what a server holds and what each agent
// costs it.

#include <CLI/CLI.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "clients/cli/format/addresses.h"
#include "clients/loadgen/load.h"
#include "third_party/daemon/open_files.h"

namespace sluice::loadgen {
namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr char kHelp[] =
    "Simulates a fleet of agents that call a sluice-server, or a decider of yours, and reports\n"
    "what they cost it.\n\n"
    "Each agent opens the same three connections as a real one (Decide, Report, Serve), under its\n"
    "own gateway name (loadgen-1 and so on). On each it sends a heartbeat every 200 ms, and its\n"
    "counters every second. Once all are connected, they stay idle for --seconds. With\n"
    "--in-flight or --rate they then ask about packets for the same time again, and every packet\n"
    "must be answered once, within a second. The packets are IPv4, from 10.64.0.0/16 to\n"
    "198.51.100.0/24: TCP SYNs to ports 22, 80 and 443, and UDP to port 53, a quarter each. The\n"
    "policy decides them like any others, and the decisions appear among those of the real\n"
    "gateways: do not load a server that people depend on.";

constexpr char kFooter[] =
    "What is printed:\n"
    "  memory an agent   growth of the server's resident set since before the first agent\n"
    "  CPU an agent, a decision   CPU time of the server, as its kernel counts it\n"
    "  stale             not answered within a second, or asked of a server that was lost\n"
    "  answers to no packet that waited   second ones, late ones, invented ones\n"
    "  round trip        from sending a batch to its last answer; with --rate, batches may leave\n"
    "                    about a millisecond late\n"
    "The kernel of the server also holds some memory for each connection. Run sluice-loadgen on\n"
    "another machine than the server, or it takes CPU time (the last line) from the server.\n\n"
    "Exit status: 0 all agents connected and stayed, and each packet was answered once; 1 not so;\n"
    "2 usage error. A sluice-server takes 1,024 gateways, including those it has seen before.\n\n"
    "Examples:\n"
    "  sluice-loadgen --server 10.0.2.2 --agents 1000                   what idle agents cost\n"
    "  sluice-loadgen --agents 128 --batch 8 --in-flight 2              as fast as possible\n"
    "  sluice-loadgen --agents 1000 --rate 50000 --seconds 60           at a given load";

struct Flags {
  std::string server;
  LoadOptions load;
  double seconds = 5;
  std::string json;
};

void AddOptions(CLI::App* app, Flags* flags) {
  app->add_option("-s,--server", flags->server,
                  "The server: address:port, name:port or unix:/path\n"
                  "(default: $SLUICE_SERVER, or else 127.0.0.1:7654)")
      ->type_name("ADDR");
  app->add_option("--agents", flags->load.agents, "Agents to simulate")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str()
      ->type_name("N");
  app->add_option("--batch", flags->load.batch,
                  "Packets in a batch, 1 to 1024; real agents send what has arrived, which is\n"
                  "little if the server is fast")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str()
      ->type_name("PACKETS");
  CLI::Option* const in_flight =
      app->add_option("--in-flight", flags->load.in_flight,
                      "Batches each agent keeps unanswered, to ask as fast as possible")
          ->check(CLI::Range(1, 1024))
          ->type_name("BATCHES");
  app->add_option("--rate", flags->load.rate,
                  "Packets a second of all agents together, however they are answered")
      ->check(CLI::Range(1.0, 1e8))
      ->excludes(in_flight)
      ->type_name("PACKETS");
  app->add_option("--seconds", flags->seconds, "How long to stay idle, and how long to be busy")
      ->check(CLI::Range(0.1, 86'400.0))
      ->capture_default_str()
      ->type_name("SECONDS");
  app->add_option("--json", flags->json, "Also write the figures to FILE, as a JSON object")
      ->type_name("FILE");
  app->get_formatter()->column_width(34);
  app->footer(kFooter);
}

int Run(Flags& flags) {
  if (flags.server.empty()) {
    const char* const named = std::getenv("SLUICE_SERVER");
    flags.server = named != nullptr && *named != '\0' ? named : "127.0.0.1:7654";
  }
  flags.load.server = cli::ServerTarget(flags.server);
  flags.load.phase =
      std::chrono::nanoseconds(static_cast<int64_t>(std::llround(flags.seconds * 1e9)));
  const std::string who = absl::StrCat(flags.load.agents, " agents");
  // Three for each agent, and some for the rest of this program.
  if (const absl::Status allowed = RaiseOpenFiles(uint64_t{flags.load.agents} * 3 + 64, who);
      !allowed.ok()) {
    std::fprintf(stderr, "sluice-loadgen: %s\n", std::string(allowed.message()).c_str());
    return kFailed;
  }
  std::ofstream json;
  // Before the run, so that a misspelt name does not waste it.
  if (!flags.json.empty()) json.open(flags.json);
  const bool opened = !json.fail();
  if (!opened) {
    std::fprintf(stderr, "sluice-loadgen: %s cannot be written\n", flags.json.c_str());
    return kUsage;
  }
  const Report report = RunLoad(flags.load);
  std::fputs(ToText(report).c_str(), stdout);
  if (!flags.json.empty() && !(json << ToJson(report) << std::endl)) {
    std::fprintf(stderr, "sluice-loadgen: %s could not be written\n", flags.json.c_str());
    return kFailed;
  }
  if (report.ok()) return kOk;
  std::fprintf(stderr, "sluice-loadgen: %s\n", Shortcomings(report).c_str());
  return kFailed;
}

}  // namespace
}  // namespace sluice::loadgen

int main(int argc, char** argv) {
  using namespace sluice::loadgen;  // NOLINT: this file's own namespace.
  signal(SIGPIPE, SIG_IGN);
  // As the agent does: Debian builds abseil without NDEBUG, which makes each lock more expensive.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  Flags flags;
  flags.load.batch = 8;
  CLI::App app(kHelp, "sluice-loadgen");
  AddOptions(&app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  return Run(flags);
}
