#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "server/edge/io_thread.h"
#include "server/edge/ledger.h"

namespace sluice::server {

// Accepts the connections of one listening socket. Of its thread. It goes on when descriptors run
// out: it gives up one that it keeps in reserve to accept and close connections that cannot be
// served, as a connection that waits for ever would be worse for its peer.
class Acceptor final : public std::enable_shared_from_this<Acceptor> {
 public:
  // A connection has arrived from `peer` (Call::peer). Whoever is told owns `fd`, which is
  // non-blocking.
  using Accepted = std::function<void(int fd, int family, const std::string& peer)>;

  // Owns `listening`. `thread` and `ledger` are not owned and outlive the acceptor.
  Acceptor(int listening, IoThread* thread, Ledger* ledger, Accepted accepted);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  void Start() { Await(); }
  void Stop();

 private:
  void Await();
  void Accept();
  // No descriptor is left.
  void TurnAway();

  IoThread* const thread_;  // Not owned.
  Ledger* const ledger_;    // Not owned.
  const Accepted accepted_;
  boost::asio::posix::stream_descriptor listening_;
  boost::asio::steady_timer pause_;
  int reserve_;
};

}  // namespace sluice::server
