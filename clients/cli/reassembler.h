#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <unordered_map>

#include "clients/cli/captured_packet.h"
#include "clients/cli/ip_headers.h"

namespace sluice::cli {

// Puts fragments together, as the kernel of a gateway does before an agent sees them (nf_defrag):
// with the last that was missing comes the whole datagram, and one that overlaps another voids it.
// What was not captured of the fragments is not known of the datagram either. Holds at most so many
// bytes of captured fragments, as a kernel does; the oldest datagram goes first. One thread.
class Reassembler final {
 public:
  // net.ipv4.ipfrag_high_thresh
  static constexpr size_t kMostBytes = size_t{4} << 20;

  // True: `packet` is no fragment, or has become the datagram that it completes. False: it waits
  // for others, or is of no use.
  bool Add(CapturedPacket* packet);

  // Datagrams of which not all is there, so far.
  uint64_t incomplete() const { return given_up_ + datagrams_.size(); }

 private:
  struct Piece {
    size_t length;
    std::string bytes;  // As far as it was captured.
  };
  struct Datagram {
    std::string key;
    int64_t begun;                   // Seconds, by the capture.
    std::string header;              // The first fragment's; empty until it is there.
    std::map<size_t, Piece> pieces;  // By where they begin. None overlaps another.
    size_t received = 0;             // Bytes.
    size_t size = 0;                 // 0 until the last fragment is there.
    size_t held = 0;                 // Of held_.
  };
  using Datagrams = std::list<Datagram>;

  Datagrams::iterator Find(const IpHeaders& headers, const CapturedPacket& packet);
  // False: it voids the datagram.
  bool AddPiece(const IpHeaders& headers, const CapturedPacket& packet, Datagram* datagram);
  void Remove(Datagrams::iterator datagram);

  Datagrams datagrams_;  // Oldest first.
  std::unordered_map<std::string, Datagrams::iterator> by_key_;
  size_t held_ = 0;
  uint64_t given_up_ = 0;
};

}  // namespace sluice::cli
