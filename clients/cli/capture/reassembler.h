#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <unordered_map>

#include "clients/cli/capture/captured_packet.h"

namespace sluice::cli {

// Reassembles fragments, as the kernel of a gateway does before an agent sees them (nf_defrag): the
// last missing fragment becomes the whole datagram, and a fragment that overlaps another discards
// the datagram. Bytes that were not captured of the fragments are missing in the datagram too.
// Holds at most kMostBytes of captured fragments, as a kernel does; to make room it discards the
// oldest datagram. One thread.
class Reassembler final {
 public:
  // net.ipv4.ipfrag_high_thresh
  static constexpr size_t kMostBytes = size_t{4} << 20;

  // True: `packet` is not a fragment, or has become the datagram that it completes. False: it waits
  // for others, or is useless.
  bool Add(CapturedPacket* packet);

  // Datagrams that lack fragments so far, including those that were discarded.
  uint64_t incomplete() const { return given_up_ + datagrams_.size(); }

 private:
  struct Piece {
    size_t length;
    std::string bytes;  // The part that was captured.
  };
  struct Datagram {
    std::string key;
    int64_t begun;                   // Seconds, by the capture's clock.
    std::string header;              // Of the first fragment; empty until that has come.
    std::map<size_t, Piece> pieces;  // By offset. None overlaps another.
    size_t received = 0;             // Bytes.
    size_t size = 0;                 // 0 until the last fragment has come.
    size_t held = 0;                 // Its part of held_.
  };
  using Datagrams = std::list<Datagram>;

  Datagrams::iterator Find(const IpHeaders& headers, const CapturedPacket& packet);
  // False: the datagram must be discarded.
  bool AddPiece(const IpHeaders& headers, const CapturedPacket& packet, Datagram* datagram);
  void Remove(Datagrams::iterator datagram);

  Datagrams datagrams_;  // Oldest first.
  std::unordered_map<std::string, Datagrams::iterator> by_key_;
  size_t held_ = 0;
  uint64_t given_up_ = 0;
};

}  // namespace sluice::cli
