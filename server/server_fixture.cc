#include "server/server_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

namespace sluice::server {

using std::string_literals::operator""s;

ServerFixture::~ServerFixture() {
  server_.reset();
  if (folder_fd_ >= 0) close(folder_fd_);
  if (!folder_.empty()) rmdir(folder_.c_str());
}

void ServerFixture::Start(ServerOptions options, const std::string& policy) {
  folder_ = testing::TempDir() + "/sXXXXXX";
  ASSERT_NE(mkdtemp(folder_.data()), nullptr);
  folder_fd_ = open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(folder_fd_, 0);
  // A socket's path has at most 107 bytes; a test's folder may have more.
  target_ = "unix:/proc/self/fd/" + std::to_string(folder_fd_) + "/s";
  policies_ = std::make_unique<PolicyStore>(std::chrono::system_clock::now(), nullptr, folder_);
  const auto applied = policies_->Apply(PolicyOf(policy, "test"), std::chrono::system_clock::now());
  ASSERT_TRUE(applied.problems.empty()) << applied.problems[0].message();
  options.listen = {{.address = ListenAddress::Parse(target_).value()}};
  auto server = Server::Create(options, policies_.get());
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

std::shared_ptr<grpc::Channel> ServerFixture::Connect() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Keeps the flow control window at 64 KiB: a client that does not read is sent no more.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(target_, grpc::InsecureChannelCredentials(), arguments);
}

std::unique_ptr<DecideClient> ServerFixture::OpenDecide(bool beats) {
  const std::shared_ptr<v1::DecisionService::Stub> stub = v1::DecisionService::NewStub(Connect());
  return std::make_unique<DecideClient>(
      [&](grpc::ClientContext* context) { return stub->Decide(context); }, beats);
}

std::unique_ptr<ReportClient> ServerFixture::OpenReport(bool beats) {
  const std::shared_ptr<v1::EventService::Stub> stub = v1::EventService::NewStub(Connect());
  return std::make_unique<ReportClient>(
      [&](grpc::ClientContext* context) { return stub->Report(context); }, beats);
}

std::unique_ptr<ServeClient> ServerFixture::OpenServe(bool beats) {
  const std::shared_ptr<v1::CommandService::Stub> stub = v1::CommandService::NewStub(Connect());
  return std::make_unique<ServeClient>(
      [&](grpc::ClientContext* context) { return stub->Serve(context); }, beats);
}

std::unique_ptr<DecideClient> ServerFixture::Decide(const std::string& gateway) {
  auto stream = OpenDecide();
  EXPECT_TRUE(stream->Write(DecideHello(gateway)));
  v1::DecideResponse response;
  EXPECT_TRUE(stream->Read(&response) && response.has_welcome()) << response.ShortDebugString();
  return stream;
}

std::unique_ptr<ReportClient> ServerFixture::Report(const std::string& gateway,
                                                    uint64_t incarnation) {
  auto stream = OpenReport();
  EXPECT_TRUE(stream->Write(ReportHello(gateway, incarnation)));
  v1::ReportResponse response;
  EXPECT_TRUE(stream->Read(&response) && response.has_welcome()) << response.ShortDebugString();
  return stream;
}

std::unique_ptr<ServeClient> ServerFixture::Serve(const std::string& gateway,
                                                  uint64_t incarnation) {
  auto stream = OpenServe();
  EXPECT_TRUE(stream->Write(ServeHello(gateway, incarnation)));
  v1::ServeResponse response;
  EXPECT_TRUE(stream->Read(&response) && response.has_welcome()) << response.ShortDebugString();
  return stream;
}

v1::DecideRequest ServerFixture::DecideHello(const std::string& gateway) {
  v1::DecideRequest request;
  request.mutable_hello()->mutable_agent()->set_gateway(gateway);
  request.mutable_hello()->mutable_agent()->set_incarnation(1);
  request.mutable_hello()->set_queue(3);
  return request;
}

v1::ReportRequest ServerFixture::ReportHello(const std::string& gateway, uint64_t incarnation) {
  v1::ReportRequest request;
  request.mutable_hello()->mutable_agent()->set_gateway(gateway);
  request.mutable_hello()->mutable_agent()->set_incarnation(incarnation);
  return request;
}

v1::ServeRequest ServerFixture::ServeHello(const std::string& gateway, uint64_t incarnation) {
  v1::ServeRequest request;
  request.mutable_hello()->mutable_agent()->set_gateway(gateway);
  request.mutable_hello()->mutable_agent()->set_incarnation(incarnation);
  request.mutable_hello()->set_mode(v1::MODE_ON);
  return request;
}

v1::DecideRequest ServerFixture::Packets(uint64_t batch, const std::vector<uint64_t>& ids,
                                         uint32_t destination_port) {
  v1::DecideRequest request;
  request.mutable_packets()->set_batch(batch);
  for (const uint64_t id : ids) {
    v1::Packet* packet = request.mutable_packets()->add_packets();
    packet->set_transaction_id(id);
    packet->set_family(v1::FAMILY_IPV4);
    packet->set_payload(std::string(60, 'p'));
    packet->set_original_length(60);
    packet->set_waited_us(1000);
    packet->set_input_interface("in0");
    packet->set_output_interface("out0");
    v1::Headers* headers = packet->mutable_headers();
    headers->set_source("\x0a\0\0\x01"s);
    headers->set_destination("\x0a\0\0\x02"s);
    headers->set_protocol(6);
    headers->set_source_port(static_cast<uint32_t>(id) & 0xffff);
    headers->set_destination_port(destination_port);
  }
  return request;
}

std::unique_ptr<v1::ControlService::Stub> ServerFixture::Control() {
  return v1::ControlService::NewStub(Connect());
}

std::unique_ptr<v1::ObserveService::Stub> ServerFixture::Observe() {
  return v1::ObserveService::NewStub(Connect());
}

std::unique_ptr<grpc::ClientContext> ServerFixture::Context() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + kPatience);
  return context;
}

}  // namespace sluice::server
