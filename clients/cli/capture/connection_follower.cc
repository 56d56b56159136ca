#include "clients/cli/capture/connection_follower.h"

#include <iterator>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

namespace sluice::cli {
namespace {

enum Protocol : uint8_t {
  kIcmp = 1,
  kTcp = 6,
  kUdp = 17,
  kDccp = 33,
  kIcmpV6 = 58,
  kSctp = 132,
  kUdpLite = 136,
};

enum Flag : uint8_t { kFin = 1, kSyn = 2, kRst = 4, kAck = 16, kUrg = 32 };

bool HasPorts(uint8_t protocol) {
  return protocol == kTcp || protocol == kUdp || protocol == kDccp || protocol == kSctp ||
         protocol == kUdpLite;
}

// Whether some stack sends this combination on purpose.
bool IsLegal(uint8_t flags) {
  switch (flags & (kFin | kSyn | kRst | kAck | kUrg)) {
    case kSyn:
    case kSyn | kUrg:
    case kSyn | kAck:
    case kRst:
    case kRst | kAck:
    case kFin | kAck:
    case kFin | kAck | kUrg:
    case kAck:
    case kAck | kUrg:
      return true;
    default:
      return false;
  }
}

bool IsIcmpError(const IpHeaders& headers, uint8_t type) {
  if (headers.ipv6) return headers.protocol == kIcmpV6 && type < 128;
  // Unreachable, source quench, redirect, time exceeded, parameter problem.
  return headers.protocol == kIcmp &&
         (type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

// For an ICMP request or its reply, the type of the request.
std::optional<uint8_t> Question(bool ipv6, uint8_t type) {
  switch (type) {
    case 0:  // Echo.
    case 8:
      return ipv6 ? std::nullopt : std::optional<uint8_t>(8);
    case 13:  // Timestamp, information, address mask.
    case 14:
      return ipv6 ? std::nullopt : std::optional<uint8_t>(13);
    case 15:
    case 16:
      return ipv6 ? std::nullopt : std::optional<uint8_t>(15);
    case 17:
    case 18:
      return ipv6 ? std::nullopt : std::optional<uint8_t>(17);
    case 128:  // Echo, node information.
    case 129:
      return ipv6 ? std::optional<uint8_t>(128) : std::nullopt;
    case 139:
    case 140:
      return ipv6 ? std::optional<uint8_t>(139) : std::nullopt;
    default:
      return std::nullopt;
  }
}

std::string End(std::string_view address, std::string_view port) {
  return std::string(address) + std::string(port);
}

}  // namespace

// Which connection a packet belongs to.
struct ConnectionFollower::Tuple {
  std::string key;           // Both ends, in an order that is the same for both directions.
  bool from_second = false;  // The packet came from the second of them.
  bool begins = true;        // It may begin a connection.
  uint8_t protocol = 0;
};

namespace {

enum class Read { kThere, kCut, kNone };

// `Tuple` is ConnectionFollower::Tuple. kCut: it lies beyond what was captured; kNone: the packet
// belongs to no connection.
template <typename Tuple>
Read ReadTuple(std::string_view bytes, const IpHeaders& headers, Tuple* tuple) {
  const std::string_view transport = bytes.substr(headers.transport);
  tuple->protocol = headers.protocol;
  std::string first;
  std::string second;
  if (headers.protocol == (headers.ipv6 ? kIcmpV6 : kIcmp)) {
    if (transport.size() < 6) return Read::kCut;
    const auto type = static_cast<uint8_t>(transport[0]);
    const std::optional<uint8_t> question = Question(headers.ipv6, type);
    if (!question) return Read::kNone;
    tuple->from_second = type != *question;
    tuple->begins = !tuple->from_second;
    // The code and the identifier are the same in both directions.
    const std::string id{transport[1], transport[4], transport[5]};
    first = End(headers.source, id);
    second = End(headers.destination, id);
    if (tuple->from_second) first.swap(second);
    first += static_cast<char>(*question);
  } else {
    if (HasPorts(headers.protocol)) {
      if (transport.size() < 4) return Read::kCut;
      first = End(headers.source, transport.substr(0, 2));
      second = End(headers.destination, transport.substr(2, 2));
    } else {
      first = std::string(headers.source);
      second = std::string(headers.destination);
    }
    tuple->from_second = second < first;
    if (tuple->from_second) first.swap(second);
  }
  tuple->key = static_cast<char>(headers.protocol) + first + second;
  return Read::kThere;
}

}  // namespace

v1::ConnectionState ConnectionFollower::Follow(const CapturedPacket& packet) {
  const std::string_view bytes = packet.bytes;
  const v1::ConnectionState if_cut = bytes.size() < packet.length ? v1::CONNECTION_STATE_UNSPECIFIED
                                                                  : v1::CONNECTION_STATE_INVALID;
  const std::optional<IpHeaders> headers = ReadIpHeaders(bytes, packet.length);
  if (!headers || headers->fragment_offset != 0) return if_cut;
  const std::string_view transport = bytes.substr(headers->transport);
  if (headers->protocol == (headers->ipv6 ? kIcmpV6 : kIcmp)) {
    if (transport.size() < 8) return if_cut;
    if (IsIcmpError(*headers, static_cast<uint8_t>(transport[0]))) {
      return FollowError(packet, transport.substr(8), headers->destination);
    }
  }
  Tuple tuple;
  switch (ReadTuple(bytes, *headers, &tuple)) {
    case Read::kCut:
      return if_cut;
    case Read::kNone:  // Includes neighbor discovery and the like, which Linux does not track.
      return v1::CONNECTION_STATE_INVALID;
    case Read::kThere:
      break;
  }
  const int64_t now = packet.time.seconds();
  if (headers->protocol != kTcp) return FollowOther(tuple, now);
  if (transport.size() < 14) return if_cut;
  return FollowTcp(tuple, static_cast<uint8_t>(transport[13]), now);
}

v1::ConnectionState ConnectionFollower::FollowError(const CapturedPacket& packet,
                                                    std::string_view about,
                                                    std::string_view destination) {
  // The error needs to contain only the beginning of the packet it is about.
  const std::optional<IpHeaders> headers =
      ReadIpHeaders(about, std::numeric_limits<uint32_t>::max());
  Tuple tuple;
  const Read read = headers ? ReadTuple(about, *headers, &tuple) : Read::kCut;
  if (read == Read::kCut && packet.bytes.size() < packet.length) {
    return v1::CONNECTION_STATE_UNSPECIFIED;
  }
  // The error must go to the sender of that packet.
  const bool found = read == Read::kThere && headers->source == destination &&
                     Find(tuple.key, packet.time.seconds()) != nullptr;
  return found ? v1::CONNECTION_STATE_RELATED : v1::CONNECTION_STATE_INVALID;
}

v1::ConnectionState ConnectionFollower::FollowOther(const Tuple& tuple, int64_t now) {
  Connection* connection = Find(tuple.key, now);
  if (connection == nullptr) {
    if (!tuple.begins) return v1::CONNECTION_STATE_INVALID;
    connection = &Begin(tuple, now);
  }
  connection->last_seen = now;
  if (tuple.from_second != connection->from_second) connection->answered = true;
  return connection->answered ? v1::CONNECTION_STATE_ESTABLISHED : v1::CONNECTION_STATE_NEW;
}

v1::ConnectionState ConnectionFollower::FollowTcp(const Tuple& tuple, uint8_t flags, int64_t now) {
  if (!IsLegal(flags)) return v1::CONNECTION_STATE_INVALID;
  const bool rst = (flags & kRst) != 0;
  const bool syn = (flags & (kSyn | kAck)) == kSyn;
  const bool syn_ack = (flags & (kSyn | kAck)) == (kSyn | kAck);
  const bool fin = (flags & kFin) != 0;
  Connection* connection = Find(tuple.key, now);
  if (connection != nullptr && syn) {
    // The same ends connect again. After a reset only the side that began may do so.
    const bool again =
        connection->phase == Phase::kEnding ||
        (connection->phase == Phase::kReset && tuple.from_second == connection->from_second);
    if (again) {
      connections_.erase(by_key_.find(tuple.key)->second);
      by_key_.erase(tuple.key);
      connection = nullptr;
    }
  }
  if (connection == nullptr) {
    if (rst || fin || syn_ack) return v1::CONNECTION_STATE_INVALID;
    connection = &Begin(tuple, now);
    if (syn) connection->phase = Phase::kOpening;
  }
  const bool reply = tuple.from_second != connection->from_second;
  if (connection->phase == Phase::kOpening) {
    if (fin) return v1::CONNECTION_STATE_INVALID;
    if (!reply && !syn && !rst) return v1::CONNECTION_STATE_INVALID;
    if (reply && (syn || syn_ack)) connection->phase = Phase::kOpen;
  } else if ((syn_ack && !reply) || (syn && reply)) {
    return v1::CONNECTION_STATE_INVALID;
  }
  connection->last_seen = now;
  if (reply) connection->answered = true;
  if (fin) connection->fin[reply ? 1 : 0] = true;
  if (connection->fin[0] && connection->fin[1]) connection->phase = Phase::kEnding;
  if (rst) connection->phase = Phase::kReset;
  return connection->answered ? v1::CONNECTION_STATE_ESTABLISHED : v1::CONNECTION_STATE_NEW;
}

ConnectionFollower::Connection* ConnectionFollower::Find(const std::string& key, int64_t now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const auto connection = found->second;
  if (now - connection->last_seen > Timeout(*connection)) {
    by_key_.erase(found);
    connections_.erase(connection);
    return nullptr;
  }
  connections_.splice(connections_.end(), connections_, connection);
  return &*connection;
}

ConnectionFollower::Connection& ConnectionFollower::Begin(const Tuple& tuple, int64_t now) {
  if (connections_.size() >= most_) {
    by_key_.erase(connections_.front().key);
    connections_.pop_front();
  }
  connections_.push_back({});
  Connection& connection = connections_.back();
  connection.key = tuple.key;
  connection.from_second = tuple.from_second;
  connection.protocol = tuple.protocol;
  connection.last_seen = now;
  by_key_.emplace(tuple.key, std::prev(connections_.end()));
  return connection;
}

// The defaults of net.netfilter.nf_conntrack_*_timeout, in seconds.
int64_t ConnectionFollower::Timeout(const Connection& connection) {
  constexpr int64_t kDays = 86'400;
  switch (connection.protocol) {
    case kTcp:
      if (connection.phase == Phase::kReset) return 10;
      return connection.phase == Phase::kOpen ? 5 * kDays : 120;
    case kUdp:
    case kUdpLite:
      return connection.answered ? 120 : 30;
    case kIcmp:
    case kIcmpV6:
      return 30;
    default:
      return 600;
  }
}

}  // namespace sluice::cli
