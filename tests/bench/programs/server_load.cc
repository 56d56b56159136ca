// server_load: simulates agents that speak HTTP/2 without gRPC, so that what is measured is the
// server and not the load, and prints one line of JSON about what they cost it.
//
//   server_load --server 10.0.0.1:7654 --agents 1000 --server-pid "$(pidof sluice-server)"
//   server_load --server unix:/run/decider --tls --agents 16 --batches 10000 --idle 0

#include "tests/bench/raw_agents/server_load.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "third_party/daemon/open_files.h"

namespace sluice::bench {
namespace {

struct Flags {
  ServerLoadOptions load;
  double idle = 1;
  double warm_up = 0.5;
  double seconds = 2;
};

std::chrono::nanoseconds Seconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
}

void AddOptions(CLI::App* app, Flags* flags) {
  app->add_option("--server", flags->load.address, "IPV4:PORT or unix:/PATH")->required();
  app->add_flag("--tls", flags->load.tls, "by TLS, whoever the server is");
  app->add_option("--agents", flags->load.agents, "each has a connection with one Decide stream")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app->add_option("--batch", flags->load.batch, "packets in a batch")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app->add_option("--in-flight", flags->load.in_flight,
                  "batches that each agent keeps unanswered; 0: they stay idle")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app->add_option("--idle", flags->idle, "seconds in which agents only send heartbeats")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  app->add_option("--warm-up", flags->warm_up, "busy seconds before those measured")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  app->add_option("--seconds", flags->seconds, "busy seconds to measure")
      ->check(CLI::Range(0.01, 86'400.0))
      ->capture_default_str();
  app->add_option("--batches", flags->load.batches,
                  "ends the busy time after so many, warm-up too");
  app->add_option("--patience", flags->load.patience,
                  "times the 600 ms of silence, and the second for an answer, that are allowed")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app->add_option("--server-pid", flags->load.server_pid,
                  "the server's process, whose CPU time and memory are measured")
      ->check(CLI::Range(1, 1 << 22));
}

int Failed(const absl::Status& status) {
  std::fprintf(stderr, "server_load: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Simulates agents without gRPC and measures what they cost a server", "server_load");
  AddOptions(&app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::StatusOr<ServerAddress> server = ServerAddress::Parse(flags.load.address);
  if (!server.ok()) {
    std::fprintf(stderr, "server_load: --server %s\n",
                 std::string(server.status().message()).c_str());
    return 2;
  }
  flags.load.server = *server;
  flags.load.idle = Seconds(flags.idle);
  flags.load.warm_up = Seconds(flags.warm_up);
  flags.load.measure = Seconds(flags.seconds);
  const absl::Status allowed =
      RaiseOpenFiles(uint64_t{flags.load.agents} + 64, absl::StrCat(flags.load.agents, " agents"));
  if (!allowed.ok()) return Failed(allowed);
  const absl::StatusOr<ServerLoadReport> report = RunServerLoad(flags.load);
  if (!report.ok()) return Failed(report.status());
  std::printf("%s\n", ToJson(*report).c_str());
  if (!report->load.ok()) {
    std::fprintf(stderr, "server_load: %s\n", loadgen::Shortcomings(report->load).c_str());
  }
  // Whether agents or answers were lost is for the reader of the figures.
  return report->load.connected > 0 ? 0 : 1;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that the server has closed.
  return sluice::bench::Main(argc, argv);
}
