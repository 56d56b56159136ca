#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/check/checks.h"
#include "agent/streams/dialer.h"
#include "sluice/v1/decision.grpc.pb.h"

namespace sluice::agent {
namespace {

constexpr std::chrono::seconds kPatience(1);

// The end of gRPC's message, which says why connecting to the last of the addresses failed.
std::string LastError(const std::string& message) {
  constexpr absl::string_view kMark = "last error: UNKNOWN: ";
  const size_t at = message.find(kMark.data());
  return at == std::string::npos ? message : message.substr(at + kMark.size());
}

}  // namespace

void CheckServer(const std::string& server, CheckReport& report) {
  const std::string what = absl::StrCat("server ", server);
  GrpcWatch watch;  // Watches nothing: this thread waits for as long as it likes.
  const std::shared_ptr<grpc::Channel> channel = Dialer({server}).Dial(&watch).channel;
  const auto stub = v1::DecisionService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  const auto stream = stub->Decide(&context);
  stream->WritesDone();
  v1::DecideResponse ignored;
  while (stream->Read(&ignored)) {
  }
  const grpc::Status status = stream->Finish();
  const std::string message = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
    // A decider that keeps to the conversation, which had to begin with a Hello.
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
      return report.Ok(absl::StrCat(what, " answers"));
    case grpc::StatusCode::UNIMPLEMENTED:
      return report.Fail(what,
                         "speaks gRPC but is no decider (sluice.v1.DecisionService); is the "
                         "port right?");
    case grpc::StatusCode::UNAVAILABLE:
      return report.Fail(what, absl::StrCat("cannot be reached: ", LastError(message),
                                            "; does it run, listen on that address, and let this "
                                            "machine in?"));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      if (channel->GetState(false) == GRPC_CHANNEL_READY) {
        return report.Note(absl::StrCat(what,
                                        " takes connections but did not end an empty "
                                        "conversation within a second"));
      }
      return report.Fail(what,
                         "nothing answers there within a second; is the address right, does "
                         "a firewall drop it?");
    default:
      return report.Note(
          absl::StrCat(what, " answers, and ended an empty conversation with: ", message));
  }
}

}  // namespace sluice::agent
