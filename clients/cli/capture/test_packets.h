#pragma once

#include <cstdint>
#include <string>

#include "clients/cli/capture/captured_packet.h"

namespace sluice::cli {

// Captured packets for tests, between addresses that end with one byte: 10.0.0.1, fd00::1.

inline std::string Big16(size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

inline std::string Ip4(int from, int to, int protocol, const std::string& data, size_t fragment = 0,
                       int id = 7) {
  return std::string("\x45\0", 2) + Big16(20 + data.size()) + Big16(static_cast<size_t>(id)) +
         Big16(fragment) + '\x40' + static_cast<char>(protocol) + std::string(2, '\0') +
         std::string("\x0a\0\0", 3) + static_cast<char>(from) + std::string("\x0a\0\0", 3) +
         static_cast<char>(to) + data;
}

inline std::string Ip6(int from, int to, int next, const std::string& data) {
  const std::string prefix = "\xfd" + std::string(14, '\0');
  return "\x60" + std::string(3, '\0') + Big16(data.size()) + static_cast<char>(next) + '\x40' +
         prefix + static_cast<char>(from) + prefix + static_cast<char>(to) + data;
}

// A packet of either family.
inline std::string Ip(bool ipv6, int from, int to, int protocol, const std::string& data) {
  return ipv6 ? Ip6(from, to, protocol, data) : Ip4(from, to, protocol, data);
}

inline std::string TcpSegment(size_t source_port, size_t destination_port, int flags) {
  return Big16(source_port) + Big16(destination_port) + std::string(8, '\0') + '\x50' +
         static_cast<char>(flags) + std::string(6, '\0');
}

inline std::string UdpDatagram(size_t source_port, size_t destination_port,
                               const std::string& data = "") {
  return Big16(source_port) + Big16(destination_port) + Big16(8 + data.size()) + Big16(0) + data;
}

inline std::string IcmpMessage(int type, const std::string& rest = std::string(4, '\0')) {
  return static_cast<char>(type) + std::string(3, '\0') + rest;
}

inline CapturedPacket At(int64_t seconds, std::string bytes) {
  CapturedPacket packet;
  packet.time.set_seconds(seconds);
  packet.length = static_cast<uint32_t>(bytes.size());
  packet.bytes = std::move(bytes);
  return packet;
}

}  // namespace sluice::cli
