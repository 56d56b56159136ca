#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/edge/grpc_call.h"
#include "server/edge/http.h"
#include "server/edge/io_thread.h"
#include "server/edge/routes.h"
#include "server/edge/tls.h"
#include "server/edge/use_count.h"

namespace sluice::server {

// One connection: its socket, TLS if its listener has it, and HTTP/2 or HTTP/1.1. All of it is of
// one thread.
class Connection final : public Deferred,
                         public HttpConnection,
                         public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  using Time = HttpSession::Time;

  // Not owned, but for `calls.peer`; all outlive the connection.
  struct Parts {
    const Routes* routes;
    const TlsContext* tls;  // Null: plaintext.
    UseCount* count;
    GrpcCall::Parts calls;
  };

  Connection(Socket socket, Parts parts);
  ~Connection() override;

  void Start();
  // Ends what takes too long, and connections that nobody uses.
  void Sweep(Time now);
  // Takes no further calls, and ends once those under way have.
  void Drain();
  // Ends at once.
  void Close();
  bool closed() const { return closed_; }

  std::shared_ptr<HttpHandler> Route(const RequestHead& head, HttpStream* stream) override;
  void Changed() override;
  // Sends what is due.
  void RunDeferred() override;

 private:
  void AwaitReadable();
  void OnReadable();
  // What the peer sent, decrypted.
  void Take(std::string_view bytes);
  // Finds out which HTTP the peer speaks; false if more bytes are needed for that.
  bool ChooseSession(std::string_view bytes);
  void SetSession(bool http2);
  // Writes out_ to the socket, as far as it takes it. False if it takes no more now.
  bool Send();
  void Flush();
  // Ends, once the peer has ended too: closing a socket in which something is still unread would
  // have the kernel throw away what the peer has not read yet (tcp(7), unix(7): ECONNRESET).
  void Linger();

  Socket socket_;
  std::optional<UseCount::Ticket> ticket_;
  const Parts parts_;
  std::unique_ptr<TlsFilter> tls_;  // Null: plaintext.
  std::unique_ptr<HttpSession> session_;
  std::string begin_;  // The first bytes, until they tell which HTTP it is.
  std::string plain_;  // To be encrypted.
  std::string out_;    // To be sent.
  size_t out_sent_ = 0;
  bool awaiting_writable_ = false;
  bool awaiting_readable_ = false;
  bool read_pending_ = false;  // To be read on, once what is due was sent.
  bool ending_ = false;        // Ends once out_ was sent.
  bool draining_ = false;
  bool closed_ = false;
  Time accepted_;
  Time used_;             // When a stream was last open.
  Time blocked_since_;    // Time::max() while the socket takes what it is given.
  Time lingering_since_;  // Time::max() until Linger.
};

}  // namespace sluice::server
