// udp_load: sends UDP probes to an echo and prints one line of JSON about what came back.
//
//   udp_load closed --to 10.0.0.1:9000 --in-flight 512     as fast as they come back
//   udp_load open --to 10.0.0.1:9000 --rate 10000          at a fixed rate, for latency

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "tests/bench/programs/loops.h"
#include "tests/bench/programs/udp_flows.h"

namespace sluice::bench {
namespace {

void Print(const Measured& measured, const std::string& more) {
  std::printf(
      "{\"seconds\": %.6f, \"sent\": %lu, \"lost\": %lu, \"round_trips\": %lu, "
      "\"packets_per_second\": %.1f, \"cpu_us_per_packet\": %.3f, \"cpu_busy\": %.3f, "
      "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f%s}\n",
      measured.seconds, measured.sent, measured.lost, measured.round_trips,
      measured.packets_per_second, measured.cpu_us_per_packet, measured.cpu_busy, measured.p50_us,
      measured.p99_us, measured.max_us, more.c_str());
}

int Main(int argc, char** argv) {
  CLI::App app("Sends UDP probes to an echo and measures what comes back");
  app.require_subcommand(1);
  std::string to;
  size_t flows = 8;
  size_t payload = 64;
  double seconds = 2;
  double warm_up = 0.3;
  ClosedLoopOptions closed;
  OpenLoopOptions open;
  CLI::App* const closed_command = app.add_subcommand("closed", "a fixed number in flight");
  CLI::App* const open_command = app.add_subcommand("open", "a fixed rate");
  closed_command->add_option("--in-flight", closed.in_flight, "probes out at a time")
      ->check(CLI::Range(1, 1 << 20));
  open_command->add_option("--rate", open.rate, "probes a second")->check(CLI::Range(1, 1'000'000));
  for (CLI::App* const command : {closed_command, open_command}) {
    command->add_option("--to", to, "address:port of the echo")->required();
    command->add_option("--flows", flows, "source ports")->check(CLI::Range(1, 1024));
    command->add_option("--payload", payload, "UDP payload in bytes");
    command->add_option("--seconds", seconds, "to measure")->check(CLI::Range(0.01, 600.0));
    command->add_option("--warm-up", warm_up, "seconds before")->check(CLI::Range(0.0, 60.0));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  closed.measure = open.measure = std::chrono::milliseconds(static_cast<int64_t>(seconds * 1e3));
  closed.warm_up = open.warm_up = std::chrono::milliseconds(static_cast<int64_t>(warm_up * 1e3));

  const absl::StatusOr<sockaddr_in> address = ParseAddress(to);
  if (!address.ok()) {
    std::fprintf(stderr, "udp_load: --to %s\n", std::string(address.status().message()).c_str());
    return 2;
  }
  absl::StatusOr<UdpFlows> sockets = UdpFlows::Open(*address, flows, payload);
  if (!sockets.ok()) {
    std::fprintf(stderr, "udp_load: %s\n", std::string(sockets.status().message()).c_str());
    return 1;
  }
  if (*closed_command) {
    Print(RunClosedLoop(closed, *sockets), "");
  } else {
    const OpenLoopMeasured result = RunOpenLoop(open, *sockets);
    Print(result.measured, ", \"send_delay_p99_us\": " + std::to_string(result.send_delay_p99_us));
  }
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
