#include "clients/cli/verb/connection.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <utility>
#include <vector>

#include "clients/cli/format/addresses.h"
#include "clients/cli/format/text.h"
#include "proto/text/text.h"
#include "sluice/v1/command.pb.h"
#include "sluice/v1/status.pb.h"

namespace sluice::cli {
namespace {

// Two policies of the largest size, 64 MiB each, and some room.
constexpr int kLargestAnswer = 136 << 20;

std::shared_ptr<grpc::Channel> Channel(const std::string& server) {
  grpc::ChannelArguments arguments;
  // The server is on the management network: no way through a proxy.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Tries all addresses of a name at once and uses the first that answers. By default gRPC 1.51
  // tries one after the other, for up to twenty seconds each.
  arguments.SetLoadBalancingPolicyName("round_robin");
  arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, kLargestAnswer);
  // The limit on answers applies to the bytes received: a compressed answer could unfold to a
  // thousand times as much.
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  return grpc::CreateCustomChannel(ServerTarget(server), grpc::InsecureChannelCredentials(),
                                   arguments);
}

// gRPC wraps the system's message in its own: "… last error: UNKNOWN: Failed to connect to remote
// host: Connection refused".
std::string Innermost(const std::string& message) {
  for (const std::string_view mark : {"remote host: ", "last error: "}) {
    const size_t at = message.rfind(mark);
    if (at != std::string::npos) return message.substr(at + mark.size());
  }
  return message;
}

// Why the connection failed.
std::string WhyUnreachable(const grpc::Status& status) {
  const std::string why = OneLine(Innermost(status.error_message()));
  const bool other = why.find("HTTP/2") != std::string::npos;
  return other ? "what answers there does not speak gRPC (" + why + ")" : why;
}

// The gateway's errno, where the status carries one.
std::string SystemWords(const grpc::Status& status) {
  v1::StatusDetails status_details;
  if (!status_details.ParseFromString(status.error_details())) return "";
  for (const google::protobuf::Any& detail : status_details.details()) {
    v1::SystemError error;
    if (!detail.UnpackTo(&error)) continue;
    return absl::StrCat("\n  the gateway's system says: ", OneLine(error.text()), " (",
                        OneLine(error.name()), ", errno ", error.number(), ")");
  }
  return "";
}

// gRPC libraries have different messages for a service they do not have.
bool NoSuchService(const grpc::Status& status) {
  const std::string& message = status.error_message();
  return status.error_code() == grpc::StatusCode::UNIMPLEMENTED &&
         (message.empty() || message.find("unknown service") != std::string::npos ||
          message.find("ethod not found") != std::string::npos ||
          message.find("not implement the method") != std::string::npos ||
          message.find("http2 header with status") != std::string::npos);  // the web's, not gRPC's
}

}  // namespace

Connection::Connection(std::string server)
    : server_(std::move(server)),
      channel_(Channel(server_)),
      control_(v1::ControlService::NewStub(channel_)),
      observe_(v1::ObserveService::NewStub(channel_)) {}

absl::Status Connection::Unreachable(const std::string& why) const {
  return absl::UnavailableError(
      absl::StrCat("server not reachable at ", server_, ": ", why,
                   ".\n  Is sluice-server running there? --server or SLUICE_SERVER names another "
                   "address."));
}

absl::Status Connection::Connect(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::system_clock::now() + patience;
  grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
  while (state != GRPC_CHANNEL_READY && state != GRPC_CHANNEL_TRANSIENT_FAILURE) {
    if (!channel_->WaitForStateChange(state, deadline)) {
      return Unreachable(absl::StrCat("no answer within ", patience.count() / 1000.0,
                                      " s, or what answers does not speak gRPC"));
    }
    state = channel_->GetState(true);
  }
  if (state == GRPC_CHANNEL_READY) return absl::OkStatus();
  // gRPC gives the reason only to a call.
  grpc::ClientContext context;
  context.set_deadline(deadline);
  v1::ListGatewaysResponse ignored;
  const grpc::Status status = control_->ListGateways(&context, {}, &ignored);
  if (status.ok() || channel_->GetState(false) == GRPC_CHANNEL_READY) return absl::OkStatus();
  return Unreachable(WhyUnreachable(status));
}

std::string Connection::KnownGateways() {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  v1::ListGatewaysResponse response;
  if (!control_->ListGateways(&context, {}, &response).ok()) return "";
  std::vector<std::string> names;
  for (const v1::Gateway& gateway : response.gateways()) names.push_back(OneLine(gateway.name()));
  if (names.empty()) return ".\n  It has seen none yet: is an agent's `servers` set to it?";
  return absl::StrCat(".\n  Known gateways: ", absl::StrJoin(names, ", "));
}

absl::Status Connection::Explain(const grpc::Status& status, std::string_view gateway) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  const std::string name(gateway);
  if (NoSuchService(status)) {
    return absl::UnimplementedError(
        absl::StrCat("what answers at ", server_, " cannot do this: is it a ",
                     "decider, an older sluice-server or another program?"));
  }
  if (status.error_code() == grpc::StatusCode::NOT_FOUND && !name.empty()) {
    return absl::NotFoundError(absl::StrCat("the server at ", server_, " knows no gateway '",
                                            OneLine(name), "'", KnownGateways()));
  }
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
      channel_->GetState(false) != GRPC_CHANNEL_READY) {
    return absl::UnavailableError(absl::StrCat("lost the server at ", server_, ": ",
                                               OneLine(Innermost(status.error_message()))));
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED &&
      status.error_details().empty() && name.empty()) {
    return absl::Status(code, absl::StrCat("the server at ", server_, " did not answer in time"));
  }
  std::string message = OneLine(status.error_message());
  if (message.empty()) message = absl::StatusCodeToString(code);
  return absl::Status(code,
                      absl::StrCat(name, name.empty() ? "" : ": ", message, SystemWords(status)));
}

}  // namespace sluice::cli
