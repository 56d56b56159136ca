// mute_decider: takes every packet it is asked about and answers none, so that an agent keeps all
// of them. Prints "ready" once it listens, then after each batch the number of packets so far and
// how many bytes of them were copied. Runs until it is killed.

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "sluice/v1/decision.grpc.pb.h"

namespace sluice::bench {
namespace {

class MuteDecider final : public v1::DecisionService::Service {
 public:
  grpc::Status Decide(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::DecideResponse, v1::DecideRequest>* stream) override {
    uint64_t packets = 0;
    uint64_t bytes = 0;
    for (v1::DecideRequest request; stream->Read(&request);) {
      v1::DecideResponse response;
      if (request.has_hello()) {
        response.mutable_welcome();
      } else if (request.has_heartbeat()) {
        *response.mutable_heartbeat() = request.heartbeat();
      } else if (request.has_packets()) {
        for (const v1::Packet& packet : request.packets().packets()) {
          ++packets;
          bytes += packet.payload().size();
        }
        std::printf("packets %lu bytes %lu\n", packets, bytes);
        std::fflush(stdout);
        // The agent may then send more: it limits the batches under way, not the packets.
        response.mutable_verdicts()->set_received_batch(request.packets().batch());
      } else {
        continue;
      }
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }
};

int Main(int argc, char** argv) {
  CLI::App app("Takes packets and decides none");
  std::string address;
  app.add_option("address", address, "address:port to listen on")->required();
  CLI11_PARSE(app, argc, argv);
  MuteDecider decider;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&decider);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::fprintf(stderr, "mute_decider: cannot listen on %s\n", address.c_str());
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  server->Wait();
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
