#include "server/edge/http1_session.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/status.hpp>
#include <cctype>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice::server {
namespace {

namespace http = boost::beast::http;

// Bytes of a body that may wait for its handler before the socket is read no further.
constexpr size_t kMostUnconsumed = 256 << 10;
constexpr size_t kPulledAtOnce = 16 << 10;
constexpr size_t kProducedAtOnce = 64 << 10;

std::string Lower(boost::beast::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

}  // namespace

// Beast's parser, which tells this of what it finds.
class Http1Session::Parser final : public http::basic_parser<true> {
 public:
  Parser(Http1Session* session, size_t header_bytes) : session_(session) {
    header_limit(static_cast<uint32_t>(header_bytes));
    body_limit(boost::none);  // The handler has a limit for its messages.
  }

 private:
  using string_view = boost::beast::string_view;
  using error_code = boost::beast::error_code;

  void on_request_impl(http::verb, string_view method, string_view target, int version,
                       error_code&) override {
    version_ = version;
    head_.method = std::string(method);
    head_.path = std::string(target);
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(http::field field, string_view name, string_view value, error_code&) override {
    if (field == http::field::host) head_.authority = std::string(value);
    if (field == http::field::expect) expects_ = boost::beast::iequals(value, "100-continue");
    head_.headers.emplace_back(Lower(name), std::string(value));
  }
  void on_header_impl(error_code&) override {
    session_->OnHead(std::move(head_), version_, keep_alive(), expects_);
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override { return Body(body); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    return Body(body);
  }
  void on_finish_impl(error_code&) override { session_->request_ended_ = true; }

  std::size_t Body(string_view body) {
    session_->unconsumed_ += body.size();
    if (session_->handler_ != nullptr) session_->handler_->OnBody({body.data(), body.size()});
    return body.size();
  }

  Http1Session* const session_;  // Not owned.
  RequestHead head_;
  int version_ = 11;  // As Beast has it: HTTP/1.1.
  bool expects_ = false;
};

class Http1Session::Exchange final : public HttpStream {
 public:
  explicit Exchange(Http1Session* session) : session_(session) {}

  void Respond(int status, const Headers& headers, bool has_body) override {
    if (!session_->broken_) session_->Respond(status, headers, has_body);
    session_->connection_->Changed();
  }
  void Resume() override {
    session_->waiting_ = false;
    session_->connection_->Changed();
  }
  void Consumed(size_t bytes) override {
    session_->unconsumed_ -= bytes;
    session_->connection_->Changed();
  }
  void Reset() override {
    session_->Break();
    session_->connection_->Changed();
  }

 private:
  Http1Session* const session_;  // Not owned.
};

Http1Session::Http1Session(const EdgeLimits& limits, HttpConnection* connection, Ledger::Peer* peer,
                           Time now)
    : limits_(limits),
      connection_(connection),
      peer_(peer),
      parser_(std::make_unique<Parser>(this, limits.header_bytes)),
      exchange_(std::make_unique<Exchange>(this)),
      owes_since_(now),
      now_(now) {
  parser_->eager(true);
}

Http1Session::~Http1Session() {
  if (handler_ != nullptr) std::exchange(handler_, nullptr)->OnClosed();
}

bool Http1Session::Receive(std::string_view bytes, Time now) {
  now_ = now;
  in_.append(bytes);
  Parse();
  return !broken_;
}

void Http1Session::Parse() {
  const bool had_ended = request_ended_;
  // A request that follows waits until the one before was answered.
  while (!broken_ && !in_.empty() && !request_ended_) {
    if (handler_ == nullptr && owes_since_ == Time::max()) owes_since_ = now_;
    boost::beast::error_code error;
    const size_t taken = parser_->put(boost::asio::buffer(in_), error);
    in_.erase(0, taken);
    if (too_many_) {
      peer_->Count(EdgeCause::kProtocol);
      return Refuse(429);
    }
    if (error == http::error::need_more) {
      if (in_.size() > limits_.header_bytes) {
        peer_->Count(EdgeCause::kHead);
        Refuse(431);
      }
      return;
    }
    if (error) {
      const bool too_large = error == http::error::header_limit;
      peer_->Count(too_large ? EdgeCause::kHead : EdgeCause::kProtocol);
      return Refuse(too_large ? 431 : 400);
    }
  }
  if (!had_ended && request_ended_ && handler_ != nullptr) handler_->OnBodyEnd();
}

void Http1Session::OnHead(RequestHead&& head, int version, bool keep_alive, bool expects_continue) {
  owes_since_ = Time::max();
  if (!peer_->Calls(now_)) {
    too_many_ = true;
    return;
  }
  chunked_ = version >= 11;
  is_head_ = head.method == "HEAD";
  keep_alive_ = keep_alive_ && keep_alive && chunked_;
  if (expects_continue && chunked_) head_out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  handler_ = connection_->Route(head, exchange_.get());
}

void Http1Session::Respond(int status, const Headers& headers, bool has_body) {
  const std::string reason(http::obsolete_reason(static_cast<http::status>(status)));
  absl::StrAppend(&head_out_, "HTTP/1.1 ", status, " ", reason, "\r\n");
  for (const auto& [name, value] : headers) {
    absl::StrAppend(&head_out_, name, ": ", value, "\r\n");
  }
  // What is left of a request that was answered early would have to be read first.
  if (!request_ended_) keep_alive_ = false;
  if (!keep_alive_) head_out_ += "connection: close\r\n";
  constexpr int kNoContent = 204;  // It has no length (RFC 9110, 8.6).
  if (has_body && chunked_) head_out_ += "transfer-encoding: chunked\r\n";
  if (!has_body && status != kNoContent) head_out_ += "content-length: 0\r\n";
  head_out_ += "\r\n";
  responding_ = has_body && !is_head_;
  waiting_ = false;
  if (!responding_) EndResponse();
}

bool Http1Session::Produce(std::string* out) {
  const size_t before = out->size();
  out->append(std::exchange(head_out_, {}));
  while (responding_ && !waiting_ && out->size() - before < kProducedAtOnce) {
    std::array<char, kPulledAtOnce> part;
    const HttpHandler::Pulled pulled = handler_->Pull(part.data(), part.size());
    if (pulled.bytes > 0) {
      if (chunked_) absl::StrAppendFormat(out, "%x\r\n", pulled.bytes);
      out->append(part.data(), pulled.bytes);
      if (chunked_) out->append("\r\n");
    }
    if (pulled.end) {
      if (chunked_) out->append("0\r\n\r\n");
      responding_ = false;
      EndResponse();
    } else if (pulled.bytes == 0) {
      waiting_ = true;
    }
  }
  return out->size() > before;
}

void Http1Session::EndResponse() {
  if (handler_ != nullptr) std::exchange(handler_, nullptr)->OnClosed();
  if (!keep_alive_) {
    broken_ = true;
    return;
  }
  parser_ = std::make_unique<Parser>(this, limits_.header_bytes);
  parser_->eager(true);
  request_ended_ = false;
  unconsumed_ = 0;
  Parse();
}

void Http1Session::Refuse(int status) {
  if (responding_) return Break();  // There is no place for a second answer.
  keep_alive_ = false;
  Respond(status, {}, /*has_body=*/false);
}

void Http1Session::Break() {
  broken_ = true;
  responding_ = false;
  head_out_.clear();
}

bool Http1Session::WantsBytes() const {
  // While a request is answered only its connection's end says that nobody waits for that any more,
  // so the socket is read: the beginning of what follows is kept, the rest waits there.
  if (request_ended_) return in_.size() < limits_.header_bytes;
  return unconsumed_ < kMostUnconsumed;
}

void Http1Session::Drain() {
  keep_alive_ = false;
  if (handler_ == nullptr) broken_ = true;
}

bool Http1Session::Done() const { return broken_ && head_out_.empty() && !responding_; }

}  // namespace sluice::server
