// event_counter: watches the connections that a sluice-server knows, as `sluicectl observe
// connections --follow` does, and counts the events. Prints "ready", then a line of JSON whenever
// the counts have changed, at most ten times a second. Runs until it is killed.

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "sluice/v1/observe.grpc.pb.h"

namespace sluice::bench {
namespace {

struct Counts {
  std::atomic<uint64_t> fresh = 0;
  std::atomic<uint64_t> update = 0;
  std::atomic<uint64_t> destroy = 0;
  std::atomic<uint64_t> marks = 0;  // Entries in the stream that say that events are missing.
};

void Count(const v1::ObserveConnectionsResponse& response, Counts& counts) {
  if (response.lost() != 0 || response.has_gap()) ++counts.marks;
  if (!response.has_flow()) return;
  if (response.type() == v1::EVENT_TYPE_NEW) ++counts.fresh;
  if (response.type() == v1::EVENT_TYPE_UPDATE) ++counts.update;
  if (response.type() == v1::EVENT_TYPE_DESTROY) ++counts.destroy;
}

[[noreturn]] void PrintChanges(const Counts& counts) {
  std::string last;
  while (true) {
    char line[160];
    std::snprintf(
        line, sizeof(line), "{\"new\": %lu, \"update\": %lu, \"destroy\": %lu, \"marks\": %lu}",
        counts.fresh.load(), counts.update.load(), counts.destroy.load(), counts.marks.load());
    if (line != last) {
      std::puts(line);
      std::fflush(stdout);
      last = line;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

int Main(int argc, char** argv) {
  CLI::App app("Counts the connection events of a sluice-server");
  std::string address;
  uint32_t port = 0;
  app.add_option("address", address, "of the server")->required();
  app.add_option("--port", port, "only connections to this port")->required();
  CLI11_PARSE(app, argc, argv);
  const auto stub =
      v1::ObserveService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::ObserveConnectionsRequest request;
  request.set_follow(true);
  request.mutable_filter()->set_destination_port(port);
  const auto reader = stub->ObserveConnections(&context, request);
  Counts counts;
  std::puts("ready");
  std::fflush(stdout);
  std::thread([&counts] { PrintChanges(counts); }).detach();
  for (v1::ObserveConnectionsResponse response; reader->Read(&response);) Count(response, counts);
  std::fprintf(stderr, "event_counter: %s\n", reader->Finish().error_message().c_str());
  // The printing thread ends only with the program.
  std::quick_exit(1);
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
