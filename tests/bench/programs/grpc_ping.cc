// grpc_ping: measures how long gRPC alone takes to carry one question and its answer, without
// Sluice: a bidirectional stream, one message at a time, a completion queue at both ends.
//
//   grpc_ping serve 10.0.0.1:7700                  prints "ready", runs until it is killed
//   grpc_ping ask 10.0.0.1:7700 --seconds 2        prints one line of JSON

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/programs/times.h"

namespace sluice::bench {
namespace {

// About the size of a batch of one packet on the wire.
constexpr size_t kMessageBytes = 200;

// Waits until `operations` of those under way have ended; false if one failed.
bool Done(grpc::CompletionQueue& queue, int operations = 1) {
  bool good = true;
  while (operations-- > 0) {
    void* tag = nullptr;
    bool ok = false;
    good = queue.Next(&tag, &ok) && ok && good;
  }
  return good;
}

// Serves one call after another, each until the client ends it.
[[noreturn]] void Answer(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue) {
  while (true) {
    grpc::GenericServerContext context;
    grpc::GenericServerAsyncReaderWriter stream(&context);
    service.RequestCall(&context, &stream, &queue, &queue, nullptr);
    if (!Done(queue)) continue;
    grpc::ByteBuffer message;
    stream.Read(&message, nullptr);
    bool open = Done(queue);
    while (open) {
      const grpc::ByteBuffer answer = message;
      stream.Write(answer, nullptr);
      stream.Read(&message, nullptr);
      open = Done(queue, 2);
    }
    stream.Finish(grpc::Status::OK, nullptr);
    Done(queue);
  }
}

int Serve(const std::string& address) {
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterAsyncGenericService(&service);
  const std::unique_ptr<grpc::ServerCompletionQueue> queue = builder.AddCompletionQueue();
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::fprintf(stderr, "grpc_ping: cannot listen on %s\n", address.c_str());
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  Answer(service, *queue);
}

int Ask(const std::string& address, double warm_up, double seconds) {
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  const auto call = stub.PrepareCall(&context, "/ping", &queue);
  call->StartCall(nullptr);
  bool open = Done(queue);

  const std::string bytes(kMessageBytes, 'x');
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer question(&slice, 1);
  grpc::ByteBuffer answer;
  std::vector<uint32_t> times_ns;
  const int64_t begin_ns = NowNs() + static_cast<int64_t>(warm_up * 1e9);
  const int64_t end_ns = begin_ns + static_cast<int64_t>(seconds * 1e9);
  for (int64_t sent_ns = NowNs(); open && sent_ns < end_ns; sent_ns = NowNs()) {
    call->Write(question, nullptr);
    call->Read(&answer, nullptr);
    open = Done(queue, 2);
    if (sent_ns >= begin_ns) times_ns.push_back(static_cast<uint32_t>(NowNs() - sent_ns));
  }
  if (!open || times_ns.empty()) {
    std::fprintf(stderr, "grpc_ping: %s does not answer\n", address.c_str());
    return 1;
  }
  std::printf("{\"round_trips\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", times_ns.size(),
              PercentileUs(times_ns, 0.50), PercentileUs(times_ns, 0.99));
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  Done(queue);
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures gRPC alone: one message at a time, there and back");
  app.require_subcommand(1);
  std::string address;
  double seconds = 2;
  double warm_up = 0.3;
  CLI::App* const serve = app.add_subcommand("serve", "answers");
  CLI::App* const ask = app.add_subcommand("ask", "asks and measures");
  for (CLI::App* const command : {serve, ask}) {
    command->add_option("address", address, "address:port")->required();
  }
  ask->add_option("--seconds", seconds, "to measure")->check(CLI::Range(0.01, 600.0));
  ask->add_option("--warm-up", warm_up, "seconds before")->check(CLI::Range(0.0, 60.0));
  CLI11_PARSE(app, argc, argv);
  return *serve ? Serve(address) : Ask(address, warm_up, seconds);
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
