#include "clients/loadgen/server_usage.h"

#include <google/protobuf/util/time_util.h>
#include <sys/resource.h>

#include <chrono>

namespace sluice::loadgen {
namespace {

std::shared_ptr<grpc::Channel> Connect(const std::string& server) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // See agent/streams/dialer.cc.
  arguments.SetLoadBalancingPolicyName("round_robin");
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ServerUsage::ServerUsage(const std::string& server)
    : control_(v1::ControlService::NewStub(Connect(server))) {}

std::optional<Usage> ServerUsage::Read() {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  v1::GetServerResponse response;
  const grpc::Status status = control_->GetServer(&context, {}, &response);
  problem_ = status.error_code() == grpc::StatusCode::UNIMPLEMENTED
                 ? "it offers no ControlService.GetServer"
                 : status.error_message();
  if (!status.ok()) return std::nullopt;
  return Usage{static_cast<double>(
                   google::protobuf::util::TimeUtil::DurationToNanoseconds(response.cpu_time())) /
                   1e9,
               response.resident_bytes()};
}

double OwnCpuSeconds() {
  rusage used = {};
  getrusage(RUSAGE_SELF, &used);
  return Seconds(used.ru_utime) + Seconds(used.ru_stime);
}

}  // namespace sluice::loadgen
