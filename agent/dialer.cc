#include "agent/dialer.h"

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

Dialer::Dialed Dialer::Dial() {
  const std::string& server = servers_[next_];
  next_ = (next_ + 1) % servers_.size();
  grpc::ChannelArguments arguments;
  // Channels with equal arguments would share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // gRPC uses the larger of this and its own back-off as the connect timeout; the delay between
  // attempts is ours, as every attempt is a new channel.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  // Of a name with several addresses all are tried at once, and the first that answers is used: by
  // itself gRPC 1.51 tries one after the other, each for as long as it may take to connect. There
  // is one call on the channel, so nothing goes round.
  arguments.SetLoadBalancingPolicyName("round_robin");
  // Replies that carry rewritten packets: several batches of 1 MiB may be answered at once. The
  // default is 4 MiB.
  arguments.SetMaxReceiveMessageSize(16 << 20);
  // Who asks again, and whom, is the agent's to say. What gRPC would keep for that, and its books
  // for channelz, cost every message.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  // The largest message is measured as it comes: a compressed one would unfold to a thousand times
  // as much. Servers are told not to compress; one that does all the same has its stream ended.
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  // The agent's heartbeats tell sooner that a connection is gone. (Unasked, gRPC 1.51 waits for 24
  // days, anew from each message on, which costs as well.)
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, std::numeric_limits<int>::max());
  // A proxy named in the environment must not stand between a gateway and its decider.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return {
      grpc::CreateCustomChannel(GrpcTarget(server), grpc::InsecureChannelCredentials(), arguments),
      server};
}

std::chrono::milliseconds Dialer::Delay() {
  const int ceiling = std::min(kFirstDelayMs << std::min(failures_, 3), kMaxDelayMs);
  ++failures_;
  return std::chrono::milliseconds(
      std::uniform_int_distribution<int>(ceiling / 2, ceiling)(random_));
}

void Dialer::Welcomed() { failures_ = 0; }

}  // namespace sluice::agent
