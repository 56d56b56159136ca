#include "clients/loadgen/prepared_batches.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>

#include "clients/loadgen/limits.h"
#include "proto/headers/packet_headers.h"

namespace sluice::loadgen {
namespace {

// How many different packets a set of batches has in total, at least.
constexpr uint32_t kPackets = 1024;
constexpr size_t kDatagram = 32;  // Payload bytes of a UDP query.

// RFC 1071.
uint16_t Checksum(const void* data, size_t length) {
  const auto* const bytes = static_cast<const uint8_t*>(data);
  uint32_t sum = 0;
  for (size_t i = 0; i < length; i += 2) sum += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<uint16_t>(~(sum + (sum >> 16))));
}

std::string Transport(uint32_t index, uint16_t source_port) {
  constexpr uint16_t kPorts[] = {22, 80, 443};
  if (index % 4 == 3) {
    udphdr udp = {};
    udp.source = htons(source_port);
    udp.dest = htons(53);
    udp.len = htons(sizeof(udp) + kDatagram);
    return std::string(reinterpret_cast<const char*>(&udp), sizeof(udp)) +
           std::string(kDatagram, '\0');
  }
  tcphdr tcp = {};
  tcp.source = htons(source_port);
  tcp.dest = htons(kPorts[index % 4]);
  tcp.seq = htonl(index);
  tcp.doff = sizeof(tcp) / 4;
  tcp.syn = 1;
  tcp.window = htons(64240);
  return std::string(reinterpret_cast<const char*>(&tcp), sizeof(tcp));
}

std::string Datagram(uint32_t index) {
  const std::string transport =
      Transport(index, static_cast<uint16_t>(1024 + index * 7919 % 60'000));
  iphdr ip = {};
  ip.version = 4;
  ip.ihl = sizeof(ip) / 4;
  ip.tot_len = htons(static_cast<uint16_t>(sizeof(ip) + transport.size()));
  ip.id = htons(static_cast<uint16_t>(index));
  ip.frag_off = htons(IP_DF);
  ip.ttl = 63;
  ip.protocol = index % 4 == 3 ? IPPROTO_UDP : IPPROTO_TCP;
  ip.saddr = htonl(0x0a400000U | (index & 0xffffU));
  ip.daddr = htonl(0xc6336400U | (index / 4 % 254 + 1));
  ip.check = Checksum(&ip, sizeof(ip));
  return std::string(reinterpret_cast<const char*>(&ip), sizeof(ip)) + transport;
}

}  // namespace

v1::Packet MakePacket(uint32_t index) {
  v1::Packet packet;
  const std::string& payload = *packet.mutable_payload() = Datagram(index % 65'536);
  PacketHeaders headers;
  ParseHeaders(v1::FAMILY_IPV4, {reinterpret_cast<const uint8_t*>(payload.data()), payload.size()},
               payload.size(), headers);
  FillHeaders(headers, *packet.mutable_headers());
  packet.set_family(v1::FAMILY_IPV4);
  packet.set_original_length(static_cast<uint32_t>(payload.size()));
  packet.set_arrival_time_ns(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count());
  packet.set_arrival_clock(v1::ARRIVAL_CLOCK_AGENT);
  packet.set_hook(v1::HOOK_FORWARD);
  packet.set_input_interface("eth0");
  packet.set_output_interface("eth1");
  packet.set_input_ifindex(2);
  packet.set_output_ifindex(3);
  packet.set_hw_protocol(0x0800);
  packet.set_hw_type(1);
  packet.set_connection_state(v1::CONNECTION_STATE_NEW);
  return packet;
}

PreparedBatches::PreparedBatches(uint32_t batch) : requests_(std::max(kPackets / batch, 1U)) {
  uint32_t index = 0;
  for (v1::DecideRequest& request : requests_) {
    v1::PacketBatch& packets = *request.mutable_packets();
    packets.mutable_time_left()->set_seconds(kDeadline / kSecond);
    for (uint32_t i = 0; i < batch; ++i) *packets.add_packets() = MakePacket(index++);
  }
}

const v1::DecideRequest& PreparedBatches::Next(uint64_t number, uint64_t first_id) {
  v1::DecideRequest& request = requests_[next_];
  next_ = (next_ + 1) % requests_.size();
  request.mutable_packets()->set_batch(number);
  for (v1::Packet& packet : *request.mutable_packets()->mutable_packets()) {
    packet.set_transaction_id(first_id++);
  }
  return request;
}

}  // namespace sluice::loadgen
