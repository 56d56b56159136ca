#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/edge/http.h"
#include "server/edge/io_thread.h"

namespace sluice::server {

// Answers a request with what is known at once. Of the connection's thread.
class Reply final : public HttpHandler, public Deferred {
 public:
  static std::shared_ptr<HttpHandler> Make(IoThread* thread, HttpStream* stream, int status,
                                           Headers headers, std::string body = "") {
    auto reply = std::make_shared<Reply>(stream, status, std::move(headers), std::move(body));
    thread->Defer(reply);
    return reply;
  }

  Reply(HttpStream* stream, int status, Headers headers, std::string body)
      : stream_(stream), status_(status), headers_(std::move(headers)), body_(std::move(body)) {}

  void OnBody(std::string_view bytes) override { stream_->Consumed(bytes.size()); }
  void OnBodyEnd() override {}
  void OnClosed() override { stream_ = nullptr; }
  Pulled Pull(char* to, size_t most) override {
    const size_t bytes = std::min(most, body_.size() - sent_);
    std::memcpy(to, body_.data() + sent_, bytes);
    sent_ += bytes;
    return {.bytes = bytes, .end = sent_ == body_.size()};
  }
  void RunDeferred() override {
    if (stream_ != nullptr) stream_->Respond(status_, headers_, /*has_body=*/!body_.empty());
  }

 private:
  HttpStream* stream_;  // Not owned. Null once it is gone.
  const int status_;
  const Headers headers_;
  const std::string body_;
  size_t sent_ = 0;  // bytes of body_
};

}  // namespace sluice::server
