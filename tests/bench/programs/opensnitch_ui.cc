// opensnitch_ui: stands in for the user interface that opensnitchd asks, and allows every
// connection once. Prints "ready" once it listens, then the number of questions whenever it has
// changed. Runs until it is killed.

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "opensnitch_ui.grpc.pb.h"

namespace sluice::bench {
namespace {

class AllowOnce final : public protocol::UI::Service {
 public:
  uint64_t asked() const { return asked_; }

  grpc::Status Ping(grpc::ServerContext*, const protocol::PingRequest* request,
                    protocol::PingReply* reply) override {
    reply->set_id(request->id());
    return grpc::Status::OK;
  }

  grpc::Status AskRule(grpc::ServerContext*, const protocol::Connection* connection,
                       protocol::Rule* rule) override {
    rule->set_name("bench");
    rule->set_enabled(true);
    rule->set_action("allow");
    rule->set_duration("once");
    rule->mutable_operator_()->set_type("simple");
    rule->mutable_operator_()->set_operand("dest.ip");
    rule->mutable_operator_()->set_data(connection->dst_ip());
    ++asked_;
    return grpc::Status::OK;
  }

  grpc::Status Subscribe(grpc::ServerContext*, const protocol::ClientConfig* request,
                         protocol::ClientConfig* reply) override {
    *reply = *request;
    return grpc::Status::OK;
  }

  grpc::Status Notifications(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<protocol::Notice, protocol::NotificationReply>* stream) override {
    protocol::NotificationReply reply;
    while (stream->Read(&reply)) {
    }
    return grpc::Status::OK;
  }

 private:
  std::atomic<uint64_t> asked_ = 0;
};

int Main(int argc, char** argv) {
  CLI::App app("Allows everything opensnitchd asks about");
  std::string address;
  app.add_option("address", address, "to listen on, as unix:///path")->required();
  CLI11_PARSE(app, argc, argv);
  AllowOnce service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "opensnitch_ui: cannot listen on %s\n", address.c_str());
    return 1;
  }
  std::puts("ready");
  for (uint64_t printed = 0;; std::this_thread::sleep_for(std::chrono::milliseconds(20))) {
    std::fflush(stdout);
    const uint64_t asked = service.asked();
    if (asked != printed) std::printf("asked %lu\n", asked);
    printed = asked;
  }
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
