#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice::server {

// What a peer may cost. A peer is an address that connects: an IPv4 address, an IPv6 /64, or all
// callers of unix sockets together. A peer beyond a limit loses its stream or connection; nobody
// else does.
struct EdgeLimits {
  // In all: what the limit of open files leaves, less a reserve. A peer: half of that, as a fleet
  // behind one address is a usual thing.
  size_t connections = 8192;
  size_t connections_a_peer = 4096;
  // Of one connection. An agent needs one, a page five; gRPC channels open another connection or
  // wait when they need more.
  uint32_t streams = 100;
  // Names and values of one head, with HTTP/2's 32 bytes for each field. gRPC itself takes 8 KiB.
  size_t header_bytes = 16 << 10;
  // Frames in which nothing is said (PING, SETTINGS, RST_STREAM, PRIORITY, empty DATA) in a second,
  // and at once. gRPC pings some ten times a second at most; a tool that cancels its calls resets
  // some hundred streams at once.
  uint32_t empty_frames_a_second = 200;
  uint32_t empty_frames_at_once = 2000;
  // WINDOW_UPDATE frames: up to two for each message that the caller reads.
  uint32_t window_updates_a_second = 50'000;
  // Calls that a peer begins in a second, and at once: those of a fleet behind one address that
  // connects again. More end its connection: each costs its thread some 20 us.
  uint32_t calls_a_second = 2000;
  uint32_t calls_at_once = 20'000;
  // Connections that a peer opens in a second; at once it may open all it may have. A TLS handshake
  // costs its thread up to 1 ms.
  uint32_t connections_a_second = 200;
  // Bytes a caller may send in one stream before the service takes them. Large enough that one
  // stream fills 100 Mbit/s at a round trip of 20 ms.
  uint32_t stream_window = 256 << 10;
  // Bytes held for one peer, of what arrived and was not taken, and of answers that are not read;
  // and bytes of both held for all. One call may always go beyond, as one policy of the largest
  // size is 68 MiB, and GetPolicy's answer twice that. Those up to `free_a_call` of each call are
  // not counted, so that usual calls cost no counting.
  size_t held_a_peer = 48 << 20;
  size_t held = 512 << 20;
  size_t free_a_call = 64 << 10;
  // Messages, texts and fields that are not known within one message: several times what a batch of
  // packets or a part of a list has. Empty ones take a hundred times their bytes once they are
  // read: so many, some 60 MiB. Messages of up to `small_message` bytes cannot have so many.
  size_t message_parts = 128 << 10;
  size_t small_message = 64 << 10;
  // To finish the TLS handshake, HTTP/2's preface, and each head once it has begun.
  std::chrono::seconds head_time{5};
  // To send the rest of the request of a call that takes one: so many bytes in each such period,
  // and all of it in this time.
  std::chrono::seconds request_period{10};
  size_t request_bytes_a_period = 16 << 10;
  std::chrono::seconds request_time{300};
  // A connection without a stream is closed after this time. gRPC channels connect again when they
  // need to.
  std::chrono::seconds idle_time{300};
  // A caller that takes no byte for this long, although some are waiting for it, is gone. Streams
  // of agents end sooner, by their heartbeats. A paused observer's answers wait in HTTP/2's windows
  // and not in the socket, so it may pause for longer.
  std::chrono::seconds unread_time{30};
};

}  // namespace sluice::server
