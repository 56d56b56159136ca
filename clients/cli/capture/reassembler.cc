#include "clients/cli/capture/reassembler.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace sluice::cli {
namespace {

// net.ipv4.ipfrag_time and net.ipv6.ip6frag_time, in seconds.
constexpr int64_t kTimeoutIpV4 = 30;
constexpr int64_t kTimeoutIpV6 = 60;
constexpr size_t kLongest = 65'535;
// Roughly what a fragment takes besides its bytes.
constexpr size_t kOverhead = 128;

void Write16(size_t value, size_t at, std::string* bytes) {
  (*bytes)[at] = static_cast<char>(value >> 8);
  (*bytes)[at + 1] = static_cast<char>(value & 0xff);
}

// Recomputes the checksum of an IPv4 header (RFC 1071).
void RepairChecksum(std::string* header) {
  Write16(0, 10, header);
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < header->size(); i += 2) {
    sum += static_cast<uint32_t>(static_cast<uint8_t>((*header)[i]) << 8 |
                                 static_cast<uint8_t>((*header)[i + 1]));
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  Write16(~sum & 0xffff, 10, header);
}

// The first fragment's headers as they would be without fragmentation.
std::string HeaderOf(const IpHeaders& headers, const std::string& bytes) {
  std::string header = bytes.substr(0, headers.fragment_data);
  if (headers.ipv6) {
    header[headers.fragment_announced] = header[headers.fragment_header];
    header.erase(headers.fragment_header, 8);
  } else {
    Write16(0, 6, &header);
  }
  return header;
}

}  // namespace

bool Reassembler::Add(CapturedPacket* packet) {
  const std::optional<IpHeaders> headers = ReadIpHeaders(packet->bytes, packet->length);
  if (!headers || !headers->fragment) return true;
  const auto datagram = Find(*headers, *packet);
  const bool good = AddPiece(*headers, *packet, &*datagram);
  const size_t whole = datagram->header.size() + datagram->size;
  if (!good || whole > kLongest + (headers->ipv6 ? 40 : 0)) {
    Remove(datagram);
    ++given_up_;
    return false;
  }
  if (datagram->size == 0 || datagram->received < datagram->size) {
    while (held_ > kMostBytes) {
      Remove(datagrams_.begin());
      ++given_up_;
    }
    return false;
  }
  packet->bytes = std::move(datagram->header);
  Write16(headers->ipv6 ? whole - 40 : whole, headers->ipv6 ? 4 : 2, &packet->bytes);
  if (!headers->ipv6) RepairChecksum(&packet->bytes);
  packet->length = static_cast<uint32_t>(whole);
  for (const auto& [offset, piece] : datagram->pieces) {
    packet->bytes += piece.bytes;
    if (piece.bytes.size() < piece.length) break;
  }
  Remove(datagram);
  return true;
}

Reassembler::Datagrams::iterator Reassembler::Find(const IpHeaders& headers,
                                                   const CapturedPacket& packet) {
  const int64_t timeout = headers.ipv6 ? kTimeoutIpV6 : kTimeoutIpV4;
  const int64_t now = packet.time.seconds();
  std::string key = absl::StrCat(std::string(headers.source), std::string(headers.destination), " ",
                                 headers.fragment_id, " ", headers.ipv6 ? 0 : headers.protocol);
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    if (now - found->second->begun <= timeout) return found->second;
    Remove(found->second);
    ++given_up_;
  }
  datagrams_.push_back({});
  datagrams_.back().key = key;
  datagrams_.back().begun = now;
  const auto datagram = std::prev(datagrams_.end());
  by_key_.emplace(std::move(key), datagram);
  return datagram;
}

bool Reassembler::AddPiece(const IpHeaders& headers, const CapturedPacket& packet,
                           Datagram* datagram) {
  const size_t begin = headers.fragment_offset;
  size_t length = headers.length - headers.fragment_data;
  if (headers.more_fragments && length % 8 != 0) {
    if (headers.ipv6) return false;
    length -= length % 8;
  }
  const size_t end = begin + length;
  if (length == 0 || end > kLongest) return false;
  size_t known = 0;  // Bytes of it that other pieces have already.
  for (const auto& [offset, piece] : datagram->pieces) {
    const size_t from = std::max(begin, offset);
    const size_t to = std::min(end, offset + piece.length);
    if (from < to) known += to - from;
  }
  if (known != 0) return known == length;  // All of them: it was sent twice.
  if (!headers.more_fragments) {
    const bool beyond = !datagram->pieces.empty() && datagram->pieces.rbegin()->first >= end;
    if (datagram->size != 0 || beyond) return false;
    datagram->size = end;
  } else if (datagram->size != 0 && end > datagram->size) {
    return false;
  }
  if (begin == 0) datagram->header = HeaderOf(headers, packet.bytes);
  const size_t data = std::min(packet.bytes.size(), headers.fragment_data + length);
  Piece piece{length, packet.bytes.substr(headers.fragment_data, data - headers.fragment_data)};
  datagram->held += piece.bytes.size() + kOverhead;
  held_ += piece.bytes.size() + kOverhead;
  datagram->received += length;
  datagram->pieces.emplace(begin, std::move(piece));
  return true;
}

void Reassembler::Remove(Datagrams::iterator datagram) {
  held_ -= datagram->held;
  by_key_.erase(datagram->key);
  datagrams_.erase(datagram);
}

}  // namespace sluice::cli
