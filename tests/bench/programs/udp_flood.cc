// udp_flood: sends UDP as fast as possible, from several source ports, and waits for no answer.
//
//   udp_flood 10.0.0.1:9000 --seconds 2

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <string>

#include "tests/bench/programs/times.h"
#include "tests/bench/programs/udp_flows.h"

namespace sluice::bench {
namespace {

int Main(int argc, char** argv) {
  CLI::App app("Floods an address with UDP");
  std::string to;
  double seconds = 2;
  size_t flows = 8;
  app.add_option("to", to, "address:port")->required();
  app.add_option("--seconds", seconds, "to send")->check(CLI::Range(0.001, 600.0));
  app.add_option("--flows", flows, "source ports")->check(CLI::Range(1, 1024));
  CLI11_PARSE(app, argc, argv);
  const absl::StatusOr<sockaddr_in> address = ParseAddress(to);
  if (!address.ok()) {
    std::fprintf(stderr, "udp_flood: %s\n", std::string(address.status().message()).c_str());
    return 2;
  }
  absl::StatusOr<UdpFlows> sockets = UdpFlows::Open(*address, flows, sizeof(Probe));
  if (!sockets.ok()) {
    std::fprintf(stderr, "udp_flood: %s\n", std::string(sockets.status().message()).c_str());
    return 1;
  }
  const int64_t end_ns = NowNs() + static_cast<int64_t>(seconds * 1e9);
  std::array<Probe, 64> probes = {};
  for (size_t flow = 0; NowNs() < end_ns; flow = (flow + 1) % sockets->size()) {
    sockets->Send(flow, probes);
  }
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
