#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/edge/grpc_headers.h"

namespace sluice::server {

// The head of a request.
struct RequestHead {
  std::string method;
  std::string path;  // With the query, if there is one.
  std::string authority;
  Headers headers;     // All others.
  bool http2 = false;  // If not, HTTP/1.1.
};

// A request and its response, whichever HTTP carries it. Of the connection's thread.
class HttpStream {
 public:
  // The head of the response. If there is a body, the handler's Pull is asked for it; otherwise the
  // response ends here.
  virtual void Respond(int status, const Headers& headers, bool has_body) = 0;
  // Pull has more to give than it had.
  virtual void Resume() = 0;
  // The handler has done with so many bytes of the request's body: the caller may send as many
  // more.
  virtual void Consumed(size_t bytes) = 0;
  // Breaks the stream off. OnClosed follows, at once or later.
  virtual void Reset() = 0;

 protected:
  ~HttpStream() = default;
};

// What handles a request. Of the connection's thread. From within OnBody, OnBodyEnd, OnClosed and
// Pull it must call nothing of the stream but Consumed.
class HttpHandler {
 public:
  struct Pulled {
    size_t bytes = 0;                   // How many were written. 0 and no end: nothing now.
    bool end = false;                   // The body ends with them.
    const Headers* trailers = nullptr;  // Those that follow the end, if any.
  };

  virtual ~HttpHandler() = default;

  virtual void OnBody(std::string_view bytes) = 0;
  virtual void OnBodyEnd() = 0;
  // The stream is gone: the response was sent whole, or the stream or connection broke.
  virtual void OnClosed() = 0;
  // More of the response's body: at most `most` bytes.
  virtual Pulled Pull(char* to, size_t most) = 0;
};

// The connection of a session. Of its thread.
class HttpConnection {
 public:
  // Finds who handles a request. `stream` lives until the handler's OnClosed. Must not call it.
  virtual std::shared_ptr<HttpHandler> Route(const RequestHead& head, HttpStream* stream) = 0;
  // The session has something to send, or wants to receive again.
  virtual void Changed() = 0;

 protected:
  ~HttpConnection() = default;
};

// One connection's protocol, without its socket: bytes in, bytes out.
class HttpSession {
 public:
  using Time = std::chrono::steady_clock::time_point;

  virtual ~HttpSession() = default;

  // Takes what has arrived. False if the connection must end once what is left to send was sent.
  virtual bool Receive(std::string_view bytes, Time now) = 0;
  // Appends some of what is to be sent to `out`; false if there is nothing.
  virtual bool Produce(std::string* out) = 0;
  // Whether it takes what arrives. If not, Changed says when it does again.
  virtual bool WantsBytes() const = 0;
  // Tells the caller that the connection takes no further requests.
  virtual void Drain() = 0;
  // Nothing is under way, and nothing further comes.
  virtual bool Done() const = 0;
  // Streams under way.
  virtual size_t Streams() const = 0;
  // Since when the caller owes the rest of something it has begun (the preface, a head);
  // Time::max() if it owes nothing.
  virtual Time OwesSince() const = 0;
};

}  // namespace sluice::server
