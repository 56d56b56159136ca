#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/check/checks.h"
#include "sluice/v1/decision.grpc.pb.h"
#include "sluice/v1/event.grpc.pb.h"

namespace sluice::agent {
namespace {

// Ends each conversation in the given way.
class Decider final : public v1::DecisionService::Service {
 public:
  explicit Decider(grpc::Status end) : end_(std::move(end)) {}

  grpc::Status Decide(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::DecideResponse, v1::DecideRequest>* stream) override {
    v1::DecideRequest request;
    while (stream->Read(&request)) ++heard_;
    return end_;
  }

  int heard() const { return heard_; }

 private:
  const grpc::Status end_;
  int heard_ = 0;
};

// What CheckServer says of a server that offers `service`.
std::string Told(grpc::Service* service) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service);
  const auto server = builder.BuildAndStart();
  std::ostringstream out;
  CheckReport report(out);
  CheckServer(absl::StrCat("127.0.0.1:", port), report);
  server->Shutdown();
  EXPECT_EQ(report.passed(), !absl::StartsWith(out.str(), "FAIL "));
  return out.str();
}

// A TCP port on which nothing speaks gRPC; listening or not.
class Port final {
 public:
  explicit Port(bool listening) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    if (listening) {
      EXPECT_EQ(listen(fd_, 5), 0);
    }
    name_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  ~Port() { close(fd_); }
  const std::string& name() const { return name_; }

 private:
  const int fd_;
  std::string name_;
};

TEST(CheckServerTest, DeciderAnswers) {
  Decider polite{grpc::Status::OK};
  EXPECT_TRUE(absl::EndsWith(Told(&polite), " answers\n"));
  EXPECT_EQ(polite.heard(), 0);
  Decider strict(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no Hello"));
  EXPECT_TRUE(absl::EndsWith(Told(&strict), " answers\n"));
  Decider odd(grpc::Status(grpc::StatusCode::UNKNOWN, "oh"));
  EXPECT_TRUE(absl::EndsWith(Told(&odd), " answers, and ended an empty conversation with: oh\n"));
}

TEST(CheckServerTest, NoDecider) {
  v1::EventService::Service other;
  EXPECT_TRUE(absl::StrContains(Told(&other), "speaks gRPC but is no decider"));
}

TEST(CheckServerTest, NobodyThere) {
  const Port port(false);
  std::ostringstream out;
  CheckReport report(out);
  CheckServer(port.name(), report);
  EXPECT_FALSE(report.passed());
  EXPECT_TRUE(absl::StrContains(out.str(), "cannot be reached: ")) << out.str();
  EXPECT_TRUE(absl::StrContains(out.str(), "refused")) << out.str();
}

TEST(CheckServerTest, OtherProtocol) {
  const Port port(true);
  std::ostringstream out;
  CheckReport report(out);
  CheckServer(port.name(), report);
  EXPECT_FALSE(report.passed()) << out.str();
}

}  // namespace
}  // namespace sluice::agent
