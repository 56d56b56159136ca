// tcp_connects: opens TCP connections to a tcp_accept and prints one line of JSON about them.
//
//   tcp_connects --to 10.0.0.1:9100 --at-once 32 --seconds 2      as fast as possible
//   tcp_connects --to 10.0.0.1:9100 --rate 1000 --seconds 2       at a fixed rate

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "tests/bench/programs/connect_loop.h"
#include "tests/bench/programs/udp_flows.h"

namespace sluice::bench {
namespace {

int Fail(const char* what, const absl::Status& status, int code) {
  std::fprintf(stderr, "tcp_connects: %s%s\n", what, std::string(status.message()).c_str());
  return code;
}

int Main(int argc, char** argv) {
  CLI::App app("Opens TCP connections and measures how fast they come");
  std::string to;
  ConnectLoopOptions options;
  double seconds = 2;
  double warm_up = 0.3;
  app.add_option("--to", to, "address:port")->required();
  app.add_option("--at-once", options.at_once, "connections under way")->check(CLI::Range(1, 4096));
  app.add_option("--rate", options.rate, "connections a second")->check(CLI::Range(0.0, 1e6));
  app.add_option("--seconds", seconds, "to measure")->check(CLI::Range(0.01, 600.0));
  app.add_option("--warm-up", warm_up, "seconds before")->check(CLI::Range(0.0, 60.0));
  CLI11_PARSE(app, argc, argv);
  options.measure = std::chrono::milliseconds(static_cast<int64_t>(seconds * 1e3));
  options.warm_up = std::chrono::milliseconds(static_cast<int64_t>(warm_up * 1e3));
  const absl::StatusOr<sockaddr_in> address = ParseAddress(to);
  if (!address.ok()) return Fail("--to ", address.status(), 2);
  const absl::StatusOr<ConnectsMeasured> measured = RunConnectLoop(options, *address);
  if (!measured.ok()) return Fail("", measured.status(), 1);
  std::printf(
      "{\"begun\": %zu, \"connects\": %zu, \"connects_per_second\": %.1f, \"p50_us\": %.1f, "
      "\"p99_us\": %.1f, \"lost\": %zu}\n",
      measured->begun, measured->connects,
      static_cast<double>(measured->connects) / measured->seconds, measured->p50_us,
      measured->p99_us, measured->lost);
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
