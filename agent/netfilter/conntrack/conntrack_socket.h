#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sluice/v1/event.pb.h"

struct mnl_socket;

namespace sluice::agent {

struct CloseMnlSocket {
  void operator()(mnl_socket* socket) const;
};
using MnlSocket = std::unique_ptr<mnl_socket, CloseMnlSocket>;

// The kernel's conntrack and expectation events, as they happen. One thread.
//
// With nf_conntrack_events = 2, the kernel's default, the kernel reports changes and the end only
// of connections that began while someone listened. So subscribe first, then dump.
class ConntrackEvents final {
 public:
  // Subscribes. Errors: PERMISSION_DENIED, no CAP_NET_ADMIN in this network namespace;
  // UNAVAILABLE, the kernel has no conntrack netlink.
  static absl::StatusOr<std::unique_ptr<ConntrackEvents>> Open(size_t receive_buffer);
  ~ConntrackEvents();
  ConntrackEvents(const ConntrackEvents&) = delete;
  ConntrackEvents& operator=(const ConntrackEvents&) = delete;

  // Readable when there is something to Receive.
  int fd() const;

  enum class Received {
    kSome,     // there may be more
    kDrained,  // nothing is left
    // The buffer was full and the kernel dropped events (ENOBUFS); it does not say how many. It
    // goes on dropping, without saying so again, until everything in the buffer is read. Only
    // events after kDrained are sure to be reported.
    kOverrun,
  };
  // Appends the events that have arrived, up to 64 messages, without blocking.
  Received Receive(std::vector<v1::Event>& events);

  // Doubles the receive buffer, up to eight times what it was opened with.
  void Enlarge();

 private:
  struct Ring;
  ConntrackEvents(MnlSocket socket, size_t receive_buffer);

  const MnlSocket socket_;
  size_t receive_buffer_;
  const size_t receive_buffer_limit_;
  const std::unique_ptr<Ring> ring_;
};

// One walk over the whole connection table, IPv4 and IPv6, chunk by chunk. The kernel makes the
// next chunk (at most 32 KiB) when one is read, so memory use does not grow with the table.
// Destroying the object ends the walk. One thread.
class ConntrackDump final {
 public:
  static absl::StatusOr<std::unique_ptr<ConntrackDump>> Start();
  ~ConntrackDump();
  ConntrackDump(const ConntrackDump&) = delete;
  ConntrackDump& operator=(const ConntrackDump&) = delete;

  // Readable when there is a chunk.
  int fd() const;

  enum class Received {
    kSome,     // there is more to come
    kDrained,  // nothing has arrived yet
    kDone,     // that was the last
    kBroken,   // the walk is useless: the table changed during it, or the kernel refused; error()
  };
  // Appends the entries of one chunk, without blocking.
  Received Receive(std::vector<v1::Event>& entries);

  // Why the walk broke.
  const absl::Status& error() const { return error_; }

 private:
  struct Buffer;
  explicit ConntrackDump(MnlSocket socket);
  Received Break(const char* what, int error);

  const MnlSocket socket_;
  const std::unique_ptr<Buffer> buffer_;
  absl::Status error_;
};

}  // namespace sluice::agent
