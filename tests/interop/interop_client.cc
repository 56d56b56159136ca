// interop_client: plays the interop cases (interop.proto) with gRPC's C++ library.
//
//   interop_client ADDRESS [--ca FILE] [CASE...]
//
// Prints "passed CASE" or "failed CASE: why" for each, and fails if one of them did. The last case
// stops the server.

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/interop/interop.grpc.pb.h"
#include "tests/interop/payload.h"

namespace sluice::interop {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;

// No case takes nearly as long, even under a sanitizer: one that does hangs.
constexpr std::chrono::seconds kPatience{30};
// What a call gets that is to end by its deadline.
constexpr milliseconds kDeadline{200};
// The calls under way when the server stops may go on for so long.
constexpr milliseconds kGrace{2000};

std::chrono::system_clock::time_point In(milliseconds time) {
  return std::chrono::system_clock::now() + time;
}

class Context final : public grpc::ClientContext {
 public:
  explicit Context(milliseconds timeout = kPatience) { set_deadline(In(timeout)); }
};

Request Asking(size_t payload, std::initializer_list<int32_t> sizes = {}) {
  Request request;
  request.set_payload(Payload(payload));
  for (const int32_t size : sizes) request.add_sizes(size);
  return request;
}

Request AskingFor(StatusCode code, const std::string& message) {
  Request request;
  request.mutable_status()->set_code(code);
  request.mutable_status()->set_message(message);
  return request;
}

bool Holds(const Response& response, size_t payload) {
  return response.payload().size() == payload && IsPayload(response.payload());
}

using Conversation = grpc::ClientReaderWriter<Request, Response>;

// Says something and gets its answer.
bool PingPong(Conversation* conversation, size_t up, int32_t down) {
  Response response;
  return conversation->Write(Asking(up, {down})) && conversation->Read(&response) &&
         Holds(response, static_cast<size_t>(down));
}

class Cases final {
 public:
  explicit Cases(std::shared_ptr<grpc::Channel> channel)
      : channel_(std::move(channel)),
        stub_(InteropService::NewStub(channel_)),
        unserved_(UnservedService::NewStub(channel_)) {}

  // Empty if the case passed.
  std::string Play(void (Cases::*play)()) {
    failure_.clear();
    (this->*play)();
    return failure_;
  }

  void EmptyUnary() {
    Context context;
    PingResponse response;
    ExpectStatus(stub_->Ping(&context, {}, &response), StatusCode::OK);
  }

  void LargeUnary() {
    Context context;
    Response response;
    ExpectStatus(stub_->Answer(&context, Asking(271'828, {314'159}), &response), StatusCode::OK);
    Expect(Holds(response, 314'159));
    Expect(response.received() == 271'828);
  }

  void ClientStreaming() {
    Context context;
    Response response;
    const auto writer = stub_->Collect(&context, &response);
    for (const size_t size : {27'182, 8, 1828, 45'904}) Expect(writer->Write(Asking(size)));
    writer->WritesDone();
    ExpectStatus(writer->Finish(), StatusCode::OK);
    Expect(response.received() == 27'182 + 8 + 1828 + 45'904);
  }

  void ServerStreaming() {
    Context context;
    const auto reader = stub_->Send(&context, Asking(0, {31'415, 9, 2653, 58'979}));
    Response response;
    for (const size_t size : {31'415, 9, 2653, 58'979}) {
      Expect(reader->Read(&response) && Holds(response, size));
    }
    Expect(!reader->Read(&response));
    ExpectStatus(reader->Finish(), StatusCode::OK);
  }

  void PingPongs() {
    Context context;
    const auto conversation = stub_->Converse(&context);
    Expect(PingPong(conversation.get(), 27'182, 31'415));
    Expect(PingPong(conversation.get(), 8, 9));
    Expect(PingPong(conversation.get(), 1828, 2653));
    Expect(PingPong(conversation.get(), 45'904, 58'979));
    conversation->WritesDone();
    ExpectStatus(conversation->Finish(), StatusCode::OK);
  }

  void ThousandPingPongs() {
    Context context;
    const auto conversation = stub_->Converse(&context);
    int done = 0;
    while (done < 1000 && PingPong(conversation.get(), 100, 200)) ++done;
    Expect(done == 1000);
    conversation->WritesDone();
    ExpectStatus(conversation->Finish(), StatusCode::OK);
  }

  void EmptyStream() {
    Context context;
    const auto conversation = stub_->Converse(&context);
    conversation->WritesDone();
    Response response;
    Expect(!conversation->Read(&response));
    ExpectStatus(conversation->Finish(), StatusCode::OK);
  }

  void EmptyMessages() {
    {
      Context context;
      const auto conversation = stub_->Converse(&context);
      for (int i = 0; i < 3; ++i) {
        Response response;
        Expect(conversation->Write({}) && conversation->Read(&response) &&
               response.ByteSizeLong() == 0);
      }
      conversation->WritesDone();
      ExpectStatus(conversation->Finish(), StatusCode::OK);
    }
    Context context;
    Response response;
    const auto writer = stub_->Collect(&context, &response);
    for (int i = 0; i < 3; ++i) Expect(writer->Write({}));
    writer->WritesDone();
    ExpectStatus(writer->Finish(), StatusCode::OK);
    Expect(response.ByteSizeLong() == 0);
  }

  void CancelAfterBegin() {
    Context context;
    Response response;
    const auto writer = stub_->Collect(&context, &response);
    context.TryCancel();
    ExpectStatus(writer->Finish(), StatusCode::CANCELLED);
  }

  void CancelAfterFirstResponse() {
    Context context;
    const auto conversation = stub_->Converse(&context);
    Expect(PingPong(conversation.get(), 27'182, 31'415));
    context.TryCancel();
    Response response;
    Expect(!conversation->Read(&response));
    ExpectStatus(conversation->Finish(), StatusCode::CANCELLED);
  }

  // The deadline has hardly begun when it passes: wherever the call is then, it ends.
  void TimeoutOnSleepingServer() {
    Context context(milliseconds(1));
    const auto conversation = stub_->Converse(&context);
    conversation->Write(Sleeping(27'182));
    Response response;
    Expect(!conversation->Read(&response));
    ExpectStatus(conversation->Finish(), StatusCode::DEADLINE_EXCEEDED);
  }

  void DeadlinePasses() {
    ExpectDeadline([](grpc::ClientContext* context) { context->set_deadline(In(kDeadline)); });
  }

  // As above, but this library does not know of the deadline, so it is the server that ends the
  // calls.
  void DeadlinePassesAtTheServer() {
    ExpectDeadline([](grpc::ClientContext* context) {
      context->AddMetadata("grpc-timeout", std::to_string(kDeadline.count()) + "m");
    });
  }

  void StatusCodeAndMessage() { ExpectStatusBack(StatusCode::UNKNOWN, "nothing is known of it"); }

  void SpecialStatusMessage() {
    ExpectStatusBack(StatusCode::UNKNOWN, "\tTür 7:\r\n 日本語, 🚪 und 100 %41 \"\\\r\n\t");
  }

  // The seam has no way to read or send metadata, so the server echoes none; what is tried is that
  // it takes them.
  void CustomMetadata() {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    const auto add = [&](Context* context) {
      context->AddMetadata("x-sluice-text", "a value, with spaces; and = signs");
      context->AddMetadata("x-sluice-text", "a second one");
      context->AddMetadata("x-sluice-long", std::string(4096, 'x'));
      context->AddMetadata("x-sluice-bytes-bin", bytes);
    };
    Context context;
    add(&context);
    Response response;
    ExpectStatus(stub_->Answer(&context, Asking(1, {9}), &response), StatusCode::OK);
    Expect(Holds(response, 9));
    Context streaming;
    add(&streaming);
    const auto conversation = stub_->Converse(&streaming);
    Expect(PingPong(conversation.get(), 1, 9));
    conversation->WritesDone();
    ExpectStatus(conversation->Finish(), StatusCode::OK);
  }

  void UnimplementedMethod() {
    Context context;
    PingResponse response;
    ExpectStatus(stub_->Unserved(&context, {}, &response), StatusCode::UNIMPLEMENTED);
  }

  void UnimplementedService() {
    Context context;
    PingResponse response;
    ExpectStatus(unserved_->Ping(&context, {}, &response), StatusCode::UNIMPLEMENTED);
  }

  void SlowReader() {
    constexpr int kMessages = 64;
    constexpr int32_t kSize = 256 << 10;
    Request request;
    for (int i = 0; i < kMessages; ++i) request.add_sizes(kSize);
    Context context;
    const auto reader = stub_->Send(&context, request);
    Response response;
    for (int i = 0; i < kMessages; ++i) {
      std::this_thread::sleep_for(milliseconds(10));
      Expect(reader->Read(&response) && Holds(response, kSize));
    }
    Expect(!reader->Read(&response));
    ExpectStatus(reader->Finish(), StatusCode::OK);
  }

  // The server has forgotten every call of the cases before.
  void EveryCallEnds() {
    CountCallsResponse counts;
    const auto end = In(kPatience);
    do {
      Context context;
      ExpectStatus(stub_->CountCalls(&context, {}, &counts), StatusCode::OK);
    } while (failure_.empty() && counts.begun() != counts.ended() &&
             std::chrono::system_clock::now() < end);
    Expect(counts.begun() == counts.ended());
  }

  // A call that is under way goes on until its end. One that has none is broken off.
  void ServerStops() {
    Context ending_context;
    const auto ending = stub_->Converse(&ending_context);
    Context endless_context;
    const auto endless = stub_->Converse(&endless_context);
    Expect(PingPong(ending.get(), 8, 9) && PingPong(endless.get(), 8, 9));
    Context stop_context;
    StopRequest stop;
    stop.set_grace_ms(static_cast<int32_t>(kGrace.count()));
    StopResponse stopped;
    ExpectStatus(stub_->Stop(&stop_context, stop, &stopped), StatusCode::OK);
    // GOAWAY has the channel part with its connection.
    Expect(channel_->WaitForStateChange(GRPC_CHANNEL_READY, In(kPatience)));
    for (int i = 0; i < 10; ++i) Expect(PingPong(ending.get(), 27'182, 31'415));
    Context late_context;
    PingResponse pong;
    ExpectStatus(stub_->Ping(&late_context, {}, &pong), StatusCode::UNAVAILABLE);
    ending->WritesDone();
    ExpectStatus(ending->Finish(), StatusCode::OK);
    Response response;
    Expect(!endless->Read(&response));
    ExpectStatus(endless->Finish(), StatusCode::UNAVAILABLE);
  }

 private:
  static Request Sleeping(size_t payload, std::initializer_list<int32_t> sizes = {}) {
    Request request = Asking(payload, sizes);
    request.set_sleep(true);
    return request;
  }

  // Keeps the first failure of a case. `line` is where it is.
  void Expect(bool holds, int line = __builtin_LINE()) { Note(holds, "it is otherwise", line); }
  void ExpectStatus(const grpc::Status& status, StatusCode code, int line = __builtin_LINE()) {
    Note(status.error_code() == code,
         "status " + std::to_string(status.error_code()) + ", " + status.error_message(), line);
  }
  void Note(bool holds, const std::string& what, int line) {
    if (!holds && failure_.empty()) failure_ = "line " + std::to_string(line) + ": " + what;
  }

  // `limit` gives a call its deadline. It passes before a response, after one, and while requests
  // are still to come.
  void ExpectDeadline(void (*limit)(grpc::ClientContext*)) {
    Response response;
    grpc::ClientContext answered;
    limit(&answered);
    ExpectStatus(stub_->Answer(&answered, Sleeping(1), &response), StatusCode::DEADLINE_EXCEEDED);

    grpc::ClientContext sent;
    limit(&sent);
    const auto reader = stub_->Send(&sent, Sleeping(1, {9}));
    Expect(reader->Read(&response) && Holds(response, 9));
    Expect(!reader->Read(&response));
    ExpectStatus(reader->Finish(), StatusCode::DEADLINE_EXCEEDED);

    grpc::ClientContext collected;
    limit(&collected);
    const auto writer = stub_->Collect(&collected, &response);
    Expect(writer->Write(Asking(1)));
    ExpectStatus(writer->Finish(), StatusCode::DEADLINE_EXCEEDED);
  }

  // The status comes back as it was asked for, alone and after a message.
  void ExpectStatusBack(StatusCode code, const std::string& message) {
    Context context;
    Response response;
    grpc::Status status = stub_->Answer(&context, AskingFor(code, message), &response);
    ExpectStatus(status, code);
    Expect(status.error_message() == message);
    Context streaming;
    const auto conversation = stub_->Converse(&streaming);
    Expect(PingPong(conversation.get(), 8, 9));
    Expect(conversation->Write(AskingFor(code, message)));
    Expect(!conversation->Read(&response));
    status = conversation->Finish();
    ExpectStatus(status, code);
    Expect(status.error_message() == message);
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<InteropService::Stub> stub_;
  const std::unique_ptr<UnservedService::Stub> unserved_;
  std::string failure_;
};

struct NamedCase {
  const char* name;
  void (Cases::*play)();
};

constexpr NamedCase kCases[] = {
    {"empty_unary", &Cases::EmptyUnary},
    {"large_unary", &Cases::LargeUnary},
    {"client_streaming", &Cases::ClientStreaming},
    {"server_streaming", &Cases::ServerStreaming},
    {"ping_pong", &Cases::PingPongs},
    {"thousand_ping_pongs", &Cases::ThousandPingPongs},
    {"empty_stream", &Cases::EmptyStream},
    {"empty_messages", &Cases::EmptyMessages},
    {"cancel_after_begin", &Cases::CancelAfterBegin},
    {"cancel_after_first_response", &Cases::CancelAfterFirstResponse},
    {"timeout_on_sleeping_server", &Cases::TimeoutOnSleepingServer},
    {"deadline_passes", &Cases::DeadlinePasses},
    {"deadline_passes_at_the_server", &Cases::DeadlinePassesAtTheServer},
    {"status_code_and_message", &Cases::StatusCodeAndMessage},
    {"special_status_message", &Cases::SpecialStatusMessage},
    {"custom_metadata", &Cases::CustomMetadata},
    {"unimplemented_method", &Cases::UnimplementedMethod},
    {"unimplemented_service", &Cases::UnimplementedService},
    {"slow_reader", &Cases::SlowReader},
    {"every_call_ends", &Cases::EveryCallEnds},
    {"server_stops", &Cases::ServerStops},
};

int Main(int argc, char** argv) {
  CLI::App app("Plays the interop cases with gRPC's C++ library");
  std::string address;
  std::string ca;
  std::vector<std::string> only;
  app.add_option("address", address, "ADDRESS:PORT or unix:/PATH")->required();
  app.add_option("cases", only, "cases to play, instead of all");
  app.add_option("--ca", ca, "PEM file: call with TLS, and trust these certificates");
  CLI11_PARSE(app, argc, argv);

  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!ca.empty()) {
    std::stringstream certificates;
    certificates << std::ifstream(ca).rdbuf();
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = certificates.str();
    credentials = grpc::SslCredentials(options);
  }
  Cases cases(grpc::CreateChannel(address, credentials));
  bool failed = false;
  for (const NamedCase& each : kCases) {
    if (!only.empty() && std::find(only.begin(), only.end(), each.name) == only.end()) continue;
    const std::string failure = cases.Play(each.play);
    if (failure.empty()) {
      std::printf("passed %s\n", each.name);
    } else {
      std::printf("failed %s: %s\n", each.name, failure.c_str());
      failed = true;
    }
    std::fflush(stdout);
  }
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace sluice::interop

int main(int argc, char** argv) { return sluice::interop::Main(argc, argv); }
