#pragma once

#include <cstdint>
#include <string>

namespace sluice::cli {

// Captures for tests, in the byte order of this machine.

template <typename Number>
std::string Raw(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

// The header of a pcap file (draft-ietf-opsawg-pcap) with times in nanoseconds.
inline std::string CaptureHeader(uint32_t link_type) {
  return Raw(uint32_t{0xa1b23c4d}) + Raw(uint16_t{2}) + Raw(uint16_t{4}) + Raw(uint64_t{0}) +
         Raw(uint32_t{262144}) + Raw(link_type);
}

// A frame of it; `length` is that of the whole frame if not all of it was captured.
inline std::string CaptureFrame(const std::string& bytes, uint32_t length = 0,
                                uint32_t seconds = 1'700'000'000, uint32_t nanos = 123'456'789) {
  const auto captured = static_cast<uint32_t>(bytes.size());
  return Raw(seconds) + Raw(nanos) + Raw(captured) + Raw(length == 0 ? captured : length) + bytes;
}

// A block of a pcapng file (draft-ietf-opsawg-pcapng).
inline std::string Block(uint32_t type, std::string body) {
  body.resize((body.size() + 3) / 4 * 4);
  const auto size = static_cast<uint32_t>(body.size() + 12);
  return Raw(type) + Raw(size) + body + Raw(size);
}

inline std::string SectionBlock() {
  return Block(0x0a0d0d0a,
               Raw(uint32_t{0x1a2b3c4d}) + Raw(uint16_t{1}) + Raw(uint16_t{0}) + Raw(int64_t{-1}));
}

inline std::string InterfaceBlock(uint16_t link_type, uint32_t snap_length = 262144,
                                  const std::string& options = "") {
  return Block(1, Raw(link_type) + Raw(uint16_t{0}) + Raw(snap_length) + options);
}

// `time` is in units of the interface: microseconds unless it names others.
inline std::string FrameBlock(uint32_t interface, const std::string& bytes, uint32_t length = 0,
                              uint64_t time = 1'700'000'000'500'000) {
  const auto captured = static_cast<uint32_t>(bytes.size());
  return Block(6, Raw(interface) + Raw(static_cast<uint32_t>(time >> 32)) +
                      Raw(static_cast<uint32_t>(time)) + Raw(captured) +
                      Raw(length == 0 ? captured : length) + bytes);
}

// A packet from 10.0.0.1 to 10.0.0.2, 24 bytes.
inline std::string IpPacket(char last_byte = 0) {
  using std::string_literals::operator""s;
  return "\x45\0\0\x18\0\0\0\0\x40\x2f\0\0\x0a\0\0\x01\x0a\0\0\x02\0\0\0"s + last_byte;
}

// `packet` after an Ethernet header.
inline std::string EthernetFrame(const std::string& packet) {
  using std::string_literals::operator""s;
  return std::string(12, '\x02') + "\x08\0"s + packet;
}

}  // namespace sluice::cli
