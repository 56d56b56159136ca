#include "agent/streams/dialer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "third_party/grpc_target/grpc_target.h"

namespace sluice::agent {
namespace {

constexpr int kFirstDelayMs = 100;
constexpr int kMaxDelayMs = 500;
// Long enough for TCP, TLS and HTTP/2 over a link of 100 ms; short enough that a server that
// comes back is found within a second.
constexpr int kConnectTimeoutMs = 500;

}  // namespace

Dialer::Dialer(std::vector<std::string> servers)
    : servers_(std::move(servers)), random_(std::random_device{}()) {}

Dialer::Dialed Dialer::Dial(GrpcWatch* watch) {
  const std::string& server = servers_[next_];
  next_ = (next_ + 1) % servers_.size();
  grpc::ChannelArguments arguments;
  // Channels with equal arguments would share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // gRPC uses the larger of this and its own back-off as the connect timeout; the delay between
  // attempts is ours, as every attempt is a new channel.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  // Tries all addresses of a name at once, and uses the first that answers: by default gRPC 1.51
  // tries one after the other, each for as long as it may take to connect. There is one call on the
  // channel, so calls do not go round the addresses.
  arguments.SetLoadBalancingPolicyName("round_robin");
  // For replies that carry rewritten packets: one may answer several batches of 1 MiB. The default
  // is 4 MiB.
  arguments.SetMaxReceiveMessageSize(16 << 20);
  // The agent itself says when to ask again, and whom. What gRPC would keep for retries and for
  // channelz costs time with every message.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  // The size limit applies to a message as it comes: a compressed one could unfold to a thousand
  // times as much. Servers are told not to compress; if one does so all the same, its stream is
  // ended.
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  // The agent's heartbeats tell sooner that a connection is gone. (By default, gRPC 1.51 waits for
  // 24 days, anew from each message on, which costs time as well.)
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, std::numeric_limits<int>::max());
  // A proxy named in the environment must not stand between a gateway and its decider.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  std::shared_ptr<ChannelSockets> sockets = watch->Watch(arguments);
  return {
      grpc::CreateCustomChannel(GrpcTarget(server), grpc::InsecureChannelCredentials(), arguments),
      std::move(sockets), server};
}

std::chrono::milliseconds Dialer::Delay() {
  const int ceiling = std::min(kFirstDelayMs << std::min(failures_, 3), kMaxDelayMs);
  ++failures_;
  return std::chrono::milliseconds(
      std::uniform_int_distribution<int>(ceiling / 2, ceiling)(random_));
}

void Dialer::Welcomed() { failures_ = 0; }

}  // namespace sluice::agent
