#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/edge/http.h"
#include "server/edge/ledger.h"
#include "server/edge/limits.h"

namespace sluice::server {

// A connection's HTTP/1.1 (RFC 9112), by Boost.Beast's parser: one request after the other. For
// browsers without TLS, and for tools such as curl. Of the connection's thread.
class Http1Session final : public HttpSession {
 public:
  // None is owned; `connection` and `peer` outlive the session.
  Http1Session(const EdgeLimits& limits, HttpConnection* connection, Ledger::Peer* peer, Time now);
  ~Http1Session() override;

  bool Receive(std::string_view bytes, Time now) override;
  bool Produce(std::string* out) override;
  bool WantsBytes() const override;
  void Drain() override;
  bool Done() const override;
  size_t Streams() const override { return handler_ == nullptr ? 0 : 1; }
  Time OwesSince() const override { return owes_since_; }

 private:
  class Parser;
  class Exchange;

  // Parses what has arrived, up to the end of one request.
  void Parse();
  void OnHead(RequestHead&& head, int version, bool keep_alive, bool expects_continue);
  void Respond(int status, const Headers& headers, bool has_body);
  // The response was sent whole.
  void EndResponse();
  // Answers a request that is none, if it was not answered yet, and ends the connection.
  void Refuse(int status);
  // Sends nothing more.
  void Break();

  const EdgeLimits& limits_;
  HttpConnection* const connection_;  // Not owned.
  Ledger::Peer* const peer_;          // Not owned.
  std::unique_ptr<Parser> parser_;
  std::unique_ptr<Exchange> exchange_;
  std::shared_ptr<HttpHandler> handler_;  // Of the request under way.
  std::string in_;                        // Arrived and not yet parsed.
  std::string head_out_;                  // To be sent before the body.
  size_t unconsumed_ = 0;                 // bytes of the body that the handler has not done with
  Time owes_since_;
  Time now_;
  bool keep_alive_ = true;
  bool chunked_ = true;   // HTTP/1.0 has no chunks: the end of the connection ends a body.
  bool is_head_ = false;  // The request's method is HEAD: its response has no body.
  bool request_ended_ = false;
  bool responding_ = false;  // The response's body is due.
  bool waiting_ = false;     // Pull had nothing.
  bool too_many_ = false;    // The peer sends too many requests.
  bool broken_ = false;
};

}  // namespace sluice::server
