#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/edge/http.h"

namespace sluice::server {

// A handler that does what its test says.
class FakeHandler final : public HttpHandler {
 public:
  FakeHandler(RequestHead request, HttpStream* its_stream, bool consumes)
      : head(std::move(request)), stream(its_stream), consumes_(consumes) {}

  void OnBody(std::string_view bytes) override {
    EXPECT_FALSE(ended || closed);
    body += bytes;
    if (consumes_) stream->Consumed(bytes.size());
  }
  void OnBodyEnd() override {
    EXPECT_FALSE(closed);
    ended = true;
  }
  void OnClosed() override {
    EXPECT_FALSE(closed);
    closed = true;
    stream = nullptr;
  }
  Pulled Pull(char* to, size_t most) override {
    EXPECT_FALSE(closed);
    const size_t bytes = std::min(most, due_.size());
    std::memcpy(to, due_.data(), bytes);
    due_.erase(0, bytes);
    const bool end = last_ && due_.empty();
    return {
        .bytes = bytes, .end = end, .trailers = end && !trailers_.empty() ? &trailers_ : nullptr};
  }

  // The whole response.
  void Answer(int status, const std::string& all) {
    last_ = true;
    due_ = all;
    stream->Respond(status, {}, /*has_body=*/!all.empty());
  }
  // Its beginning, more of its body, and its end.
  void Begin() { stream->Respond(200, {}, /*has_body=*/true); }
  void Push(const std::string& more) {
    due_ += more;
    stream->Resume();
  }
  void End(const Headers& trailers) {
    last_ = true;
    trailers_ = trailers;
    stream->Resume();
  }

  const RequestHead head;
  std::string body;
  bool ended = false;
  bool closed = false;
  HttpStream* stream;  // Not owned. Null once it is gone.

 private:
  const bool consumes_;
  std::string due_;  // of the response's body
  bool last_ = false;
  Headers trailers_;
};

// The connection of a session. Keeps the handlers of all its requests.
class FakeConnection final : public HttpConnection {
 public:
  std::shared_ptr<HttpHandler> Route(const RequestHead& head, HttpStream* stream) override {
    handlers.push_back(std::make_shared<FakeHandler>(head, stream, consumes));
    return handlers.back();
  }
  void Changed() override { changed = true; }

  std::vector<std::shared_ptr<FakeHandler>> handlers;
  bool consumes = true;  // Handlers are done with what arrives, at once.
  bool changed = false;
};

}  // namespace sluice::server
