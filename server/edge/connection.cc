#include "server/edge/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "server/edge/http1_session.h"
#include "server/edge/http2_session.h"

namespace sluice::server {
namespace {

// A connection that has more to read gives others of its thread their turn after so much.
constexpr size_t kReadAtOnce = 64 << 10;

// How long a peer may take to read what it was sent last.
constexpr std::chrono::seconds kLinger{1};

// HTTP/2's first bytes (RFC 9113, 3.4).
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

}  // namespace

Connection::Connection(Socket socket, Parts parts)
    : socket_(std::move(socket)),
      ticket_(parts.count),
      parts_(std::move(parts)),
      accepted_(std::chrono::steady_clock::now()),
      used_(accepted_),
      blocked_since_(Time::max()),
      lingering_since_(Time::max()) {
  if (parts_.tls != nullptr) tls_ = std::make_unique<TlsFilter>(*parts_.tls);
}

Connection::~Connection() { Close(); }

void Connection::Start() { AwaitReadable(); }

void Connection::AwaitReadable() {
  awaiting_readable_ = true;
  socket_.async_wait(Socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->awaiting_readable_ = false;
                       if (error || self->closed_) return;
                       self->OnReadable();
                       self->parts_.calls.thread->Settle();
                     });
}

void Connection::OnReadable() {
  // Of all connections of the thread: what is read is taken at once.
  thread_local std::string buffer(kReadAtOnce, '\0');
  const ssize_t length = recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (length < 0) {
    if (errno == EAGAIN || errno == EINTR) return AwaitReadable();
    return Close();
  }
  if (length == 0) return Close();
  if (lingering_since_ != Time::max()) return AwaitReadable();
  const std::string_view bytes(buffer.data(), static_cast<size_t>(length));
  if (tls_ == nullptr) {
    Take(bytes);
  } else {
    const TlsFilter::State before = tls_->state();
    std::string plain;
    tls_->Receive(bytes, &plain);
    if (tls_->state() == TlsFilter::State::kBroken) {
      if (before == TlsFilter::State::kHandshake) parts_.calls.peer->Count(EdgeCause::kHandshake);
      ending_ = true;
    }
    if (before == TlsFilter::State::kHandshake && tls_->state() == TlsFilter::State::kOpen) {
      SetSession(tls_->http2());
    }
    if (!plain.empty()) Take(plain);
    if (tls_->state() == TlsFilter::State::kEnded) ending_ = true;
  }
  read_pending_ = !ending_;
  parts_.calls.thread->Defer(shared_from_this());
}

bool Connection::ChooseSession(std::string_view bytes) {
  begin_.append(bytes);
  const size_t compared = std::min(begin_.size(), kPreface.size());
  const bool like_http2 =
      std::string_view(begin_).substr(0, compared) == kPreface.substr(0, compared);
  if (like_http2 && compared < kPreface.size()) return false;
  SetSession(like_http2);
  return true;
}

void Connection::SetSession(bool http2) {
  const Time now = std::chrono::steady_clock::now();
  if (http2) {
    session_ =
        std::make_unique<Http2Session>(*parts_.calls.limits, this, parts_.calls.peer.get(), now);
  } else {
    session_ =
        std::make_unique<Http1Session>(*parts_.calls.limits, this, parts_.calls.peer.get(), now);
  }
  if (draining_) session_->Drain();
}

void Connection::Take(std::string_view bytes) {
  std::string begin;
  if (session_ == nullptr) {
    if (!ChooseSession(bytes)) return;
    begin = std::exchange(begin_, {});
    bytes = begin;
  }
  if (!session_->Receive(bytes, std::chrono::steady_clock::now())) ending_ = true;
}

bool Connection::Send() {
  while (out_sent_ < out_.size()) {
    const ssize_t sent = send(socket_.native_handle(), out_.data() + out_sent_,
                              out_.size() - out_sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      out_sent_ += static_cast<size_t>(sent);
      blocked_since_ = Time::max();
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      Close();
      return false;
    }
    if (blocked_since_ == Time::max()) blocked_since_ = std::chrono::steady_clock::now();
    if (!std::exchange(awaiting_writable_, true)) {
      socket_.async_wait(Socket::wait_write,
                         [self = shared_from_this()](const boost::system::error_code& error) {
                           self->awaiting_writable_ = false;
                           if (error || self->closed_) return;
                           self->Flush();
                           self->parts_.calls.thread->Settle();
                         });
    }
    return false;
  }
  out_.clear();
  out_sent_ = 0;
  constexpr size_t kKept = 16 << 10;
  if (out_.capacity() > kKept) out_.shrink_to_fit();
  return true;
}

std::shared_ptr<HttpHandler> Connection::Route(const RequestHead& head, HttpStream* stream) {
  return parts_.routes->Route(head, stream, parts_.calls);
}

void Connection::Changed() { parts_.calls.thread->Defer(shared_from_this()); }

void Connection::RunDeferred() {
  if (!closed_ && !awaiting_writable_ && lingering_since_ == Time::max()) Flush();
}

void Connection::Flush() {
  while (!closed_) {
    if (!Send()) return;
    if (tls_ == nullptr) {
      if (session_ == nullptr || !session_->Produce(&out_)) break;
    } else {
      if (session_ != nullptr && session_->Produce(&plain_)) {
        tls_->Send(plain_);
        plain_.clear();
      }
      if (!tls_->Produce(&out_)) break;
    }
  }
  if (closed_) return;
  if (session_ != nullptr && session_->Done()) ending_ = true;
  // Not before what is due was sent: a peer that takes no answers gets no more done.
  if (!ending_ && read_pending_ && (session_ == nullptr || session_->WantsBytes())) {
    read_pending_ = false;
    AwaitReadable();
  }
  if (!ending_) return;
  if (tls_ != nullptr) {
    tls_->SendEnd();
    if (tls_->Produce(&out_) && !Send()) return;
  }
  Linger();
}

void Connection::Linger() {
  if (closed_ || lingering_since_ != Time::max()) return;
  session_.reset();
  lingering_since_ = std::chrono::steady_clock::now();
  if (shutdown(socket_.native_handle(), SHUT_WR) < 0) return Close();
  if (!awaiting_readable_) AwaitReadable();
}

void Connection::Sweep(Time now) {
  if (closed_) return;
  const EdgeLimits& limits = *parts_.calls.limits;
  if (lingering_since_ != Time::max()) {
    if (now - lingering_since_ > kLinger) Close();
    return;
  }
  if (session_ != nullptr && session_->Streams() > 0) used_ = now;
  const Time owes_since = session_ == nullptr ? accepted_ : session_->OwesSince();
  if (owes_since != Time::max() && now - owes_since > limits.head_time) {
    parts_.calls.peer->Count(EdgeCause::kTooSlow);
    return Close();
  }
  if (blocked_since_ != Time::max() && now - blocked_since_ > limits.unread_time) {
    parts_.calls.peer->Count(EdgeCause::kTooSlow);
    return Close();
  }
  if (session_ != nullptr && session_->Streams() == 0 && now - used_ > limits.idle_time) Drain();
}

void Connection::Drain() {
  if (closed_ || std::exchange(draining_, true)) return;
  if (session_ == nullptr) return Close();
  session_->Drain();
  Changed();
}

void Connection::Close() {
  if (std::exchange(closed_, true)) return;
  session_.reset();
  boost::system::error_code ignored;
  socket_.close(ignored);
  parts_.calls.peer->Leave();
  ticket_.reset();
}

}  // namespace sluice::server
