#include "server/edge/http2_session.h"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/edge/fake_http.h"

namespace sluice::server {
namespace {

using Time = HttpSession::Time;

// A frame, byte for byte (RFC 9113, 4.1).
std::string Frame(uint8_t type, uint8_t flags, int32_t id, std::string_view payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame += static_cast<char>(payload.size() >> shift);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(id >> shift);
  return frame.append(payload);
}

uint32_t Number(std::string_view bytes) {
  uint32_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

void ForEachFrame(std::string_view frames, const std::function<void(std::string_view)>& work) {
  while (!frames.empty()) {
    const std::string_view frame = frames.substr(0, 9 + Number(frames.substr(0, 3)));
    work(frame);
    frames.remove_prefix(frame.size());
  }
}

// The error code of a GOAWAY in what a server sent.
std::optional<uint32_t> GoawayIn(std::string_view frames) {
  std::optional<uint32_t> code;
  ForEachFrame(frames, [&](std::string_view frame) {
    if (frame[3] == NGHTTP2_GOAWAY) code = Number(frame.substr(9 + 4, 4));
  });
  return code;
}

// The types of the frames in what a server sent.
std::vector<uint8_t> Types(std::string_view frames) {
  std::vector<uint8_t> types;
  ForEachFrame(frames, [&](std::string_view frame) { types.push_back(frame[3]); });
  return types;
}

// What came back for a request.
struct Answer {
  Headers head;
  Headers trailers;
  std::string body;
  std::optional<uint32_t> reset;  // Its error code.
  bool closed = false;
};

// nghttp2's client side: bytes in, bytes out.
class Client final {
 public:
  // With `reads` the windows open as answers arrive. Otherwise by Consume.
  explicit Client(bool reads) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &OnData);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &OnFrame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &OnClose);
    nghttp2_option* options = nullptr;
    nghttp2_option_new(&options);
    nghttp2_option_set_no_auto_window_update(options, reads ? 0 : 1);
    nghttp2_session_client_new2(&session_, callbacks, this, options);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Client() { nghttp2_session_del(session_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Asks; `body` in frames of up to `at_once` bytes. If not `ends`, the request goes on.
  int32_t Ask(Headers fields, const std::string& body = "", bool ends = true,
              size_t at_once = 16384, Headers trailers = {}) {
    fields.insert(
        fields.begin(),
        {{":method", "POST"}, {":scheme", "http"}, {":path", "/a"}, {":authority", "a.test"}});
    return AskExactly(fields, body, ends, at_once, std::move(trailers));
  }
  int32_t AskExactly(const Headers& fields, const std::string& body = "", bool ends = true,
                     size_t at_once = 16384, Headers trailers = {}) {
    bodies_.push_back(std::make_unique<Body>(Body{body, at_once, ends, std::move(trailers)}));
    nghttp2_data_provider provider{.source = {.ptr = bodies_.back().get()}, .read_callback = &Read};
    const std::vector<nghttp2_nv> pairs = Pairs(fields);
    return nghttp2_submit_request(session_, nullptr, pairs.data(), pairs.size(),
                                  body.empty() && ends ? nullptr : &provider, nullptr);
  }
  void Reset(int32_t id) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  }
  void Consume(int32_t id, size_t bytes) { nghttp2_session_consume(session_, id, bytes); }
  void Leave() { nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR); }

  std::string Take() {
    std::string bytes;
    const uint8_t* part = nullptr;
    ssize_t length = 0;
    while ((length = nghttp2_session_mem_send(session_, &part)) > 0) {
      bytes.append(reinterpret_cast<const char*>(part), static_cast<size_t>(length));
    }
    return bytes;
  }
  void Give(std::string_view bytes) {
    EXPECT_EQ(nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                                       bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }

  std::map<int32_t, Answer> answers;
  std::optional<uint32_t> goaway;  // Its error code.
  int32_t last_taken = -1;         // GOAWAY's last stream.

 private:
  struct Body {
    std::string left;
    size_t at_once;
    bool ends;
    Headers trailers;
  };

  static std::vector<nghttp2_nv> Pairs(const Headers& fields) {
    std::vector<nghttp2_nv> pairs;
    const auto bytes = [](const std::string& text) {
      return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
    };
    for (const auto& [name, value] : fields) {
      pairs.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return pairs;
  }
  static ssize_t Read(nghttp2_session* session, int32_t id, uint8_t* to, size_t most,
                      uint32_t* flags, nghttp2_data_source* source, void*) {
    auto* const body = static_cast<Body*>(source->ptr);
    const size_t bytes = std::min({most, body->at_once, body->left.size()});
    std::copy_n(body->left.data(), bytes, to);
    body->left.erase(0, bytes);
    if (!body->left.empty()) return static_cast<ssize_t>(bytes);
    if (!body->ends) return bytes > 0 ? static_cast<ssize_t>(bytes) : ssize_t{NGHTTP2_ERR_DEFERRED};
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!body->trailers.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const std::vector<nghttp2_nv> pairs = Pairs(body->trailers);
      nghttp2_submit_trailer(session, id, pairs.data(), pairs.size());
    }
    return static_cast<ssize_t>(bytes);
  }
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                      void* user) {
    Answer& answer = static_cast<Client*>(user)->answers[frame->hd.stream_id];
    Headers& to = frame->headers.cat == NGHTTP2_HCAT_RESPONSE ? answer.head : answer.trailers;
    to.emplace_back(std::string(reinterpret_cast<const char*>(name), name_length),
                    std::string(reinterpret_cast<const char*>(value), value_length));
    return 0;
  }
  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t length,
                    void* user) {
    static_cast<Client*>(user)->answers[id].body.append(reinterpret_cast<const char*>(bytes),
                                                        length);
    return 0;
  }
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto* const client = static_cast<Client*>(user);
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
      client->answers[frame->hd.stream_id].reset = frame->rst_stream.error_code;
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
      client->goaway = frame->goaway.error_code;
      client->last_taken = frame->goaway.last_stream_id;
    }
    return 0;
  }
  static int OnClose(nghttp2_session*, int32_t id, uint32_t, void* user) {
    static_cast<Client*>(user)->answers[id].closed = true;
    return 0;
  }

  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Body>> bodies_;
};

class Http2SessionTest : public testing::Test {
 protected:
  void Open(bool client_reads = true) {
    session_.reset();
    connection_.handlers.clear();
    client_ = std::make_unique<Client>(client_reads);
    session_ = std::make_unique<Http2Session>(limits_, &connection_, peer_.get(), now_);
  }
  bool Receive(std::string_view bytes) { return session_->Receive(bytes, now_); }
  std::string Sent() {
    std::string sent;
    while (session_->Produce(&sent)) {
    }
    return sent;
  }
  // Carries bytes both ways until nobody has any more to say. False if the session wants to end.
  bool Carry() {
    bool alive = true;
    while (true) {
      const std::string up = client_->Take();
      if (!up.empty() && !Receive(up)) alive = false;
      const std::string down = Sent();
      client_->Give(down);
      if (up.empty() && down.empty()) return alive;
    }
  }
  FakeHandler& request(size_t i) { return *connection_.handlers.at(i); }
  size_t requests() const { return connection_.handlers.size(); }

  EdgeLimits limits_{.streams = 4,
                     .header_bytes = 2048,
                     .empty_frames_a_second = 1,
                     .empty_frames_at_once = 10,
                     .window_updates_a_second = 20,
                     .stream_window = 4096};
  Ledger ledger_{limits_};
  std::shared_ptr<Ledger::Peer> peer_ = ledger_.Enter("a", {});
  FakeConnection connection_;
  Time now_ = Time() + std::chrono::hours(1);
  std::unique_ptr<Client> client_;
  std::unique_ptr<Http2Session> session_;
};

TEST_F(Http2SessionTest, ReadsTheSameHoweverBytesAreSplit) {
  Open();
  const std::string body = "a request in three frames, or four";
  client_->Ask({{"x-one", "1"}}, body, true, 10, {{"x-trailer", "t"}});
  const std::string bytes = client_->Take();
  std::string expected;
  const auto expect_all = [&](size_t first, size_t then) {
    Open();
    for (size_t begin = 0; begin < bytes.size();) {
      const size_t length = begin == 0 ? first : then;
      ASSERT_TRUE(Receive(std::string_view(bytes).substr(begin, length)));
      begin += length;
    }
    ASSERT_EQ(requests(), 1u);
    EXPECT_EQ(request(0).head.method, "POST");
    EXPECT_EQ(request(0).head.path, "/a");
    EXPECT_EQ(request(0).head.authority, "a.test");
    EXPECT_EQ(request(0).head.headers, (Headers{{"x-one", "1"}}));
    EXPECT_TRUE(request(0).head.http2);
    EXPECT_EQ(request(0).body, body);
    EXPECT_TRUE(request(0).ended);
    EXPECT_EQ(session_->Streams(), 1u);
    request(0).Answer(200, "yes");
    const std::string sent = Sent();
    if (expected.empty()) expected = sent;
    EXPECT_EQ(sent, expected);
    EXPECT_TRUE(request(0).closed);
    EXPECT_EQ(session_->Streams(), 0u);
    EXPECT_FALSE(session_->Done());
  };
  for (size_t i = 1; i <= bytes.size(); ++i) {
    SCOPED_TRACE(i);
    expect_all(i, bytes.size());
    expect_all(i, i);
    if (HasFailure()) return;
  }
}

TEST_F(Http2SessionTest, AnswersWithBodyAndTrailers) {
  Open();
  const int32_t id = client_->Ask({});
  EXPECT_TRUE(Carry());
  request(0).Begin();
  EXPECT_TRUE(Carry());
  EXPECT_EQ(client_->answers[id].head, (Headers{{":status", "200"}}));
  for (const char* const part : {"one ", "two ", "three"}) {
    request(0).Push(part);
    EXPECT_TRUE(Carry());
  }
  EXPECT_EQ(client_->answers[id].body, "one two three");
  EXPECT_FALSE(client_->answers[id].closed);
  request(0).End({{"grpc-status", "0"}});
  EXPECT_TRUE(Carry());
  EXPECT_EQ(client_->answers[id].trailers, (Headers{{"grpc-status", "0"}}));
  EXPECT_TRUE(client_->answers[id].closed);
  EXPECT_EQ(client_->answers[id].reset, std::nullopt);
  EXPECT_TRUE(request(0).closed);
}

TEST_F(Http2SessionTest, SendsNoBodyInAnswerToHead) {
  Open();
  const int32_t id = client_->AskExactly(
      {{":method", "HEAD"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a.test"}});
  EXPECT_TRUE(Carry());
  request(0).Answer(200, "ok\n");
  const std::string sent = Sent();
  EXPECT_EQ(Types(sent), (std::vector<uint8_t>{NGHTTP2_HEADERS}));
  client_->Give(sent);
  EXPECT_EQ(client_->answers[id].head, (Headers{{":status", "200"}}));
  EXPECT_TRUE(client_->answers[id].closed);
  EXPECT_TRUE(request(0).closed);
}

// RFC 9113, 8.1: a response that is complete before its request.
TEST_F(Http2SessionTest, AsksForNoMoreOfARequestThatIsAnswered) {
  for (const char* const body : {"", "no"}) {
    Open();
    const int32_t id = client_->Ask({}, "the begin", false);
    EXPECT_TRUE(Carry());
    EXPECT_FALSE(request(0).ended);
    request(0).Answer(415, body);
    EXPECT_TRUE(Carry());
    EXPECT_EQ(Find(client_->answers[id].head, ":status"), "415");
    EXPECT_EQ(client_->answers[id].body, body);
    EXPECT_EQ(client_->answers[id].reset, uint32_t{NGHTTP2_NO_ERROR});
    EXPECT_TRUE(request(0).closed);
    EXPECT_EQ(session_->Streams(), 0u);
  }
}

TEST_F(Http2SessionTest, BreaksOffAStream) {
  Open();
  const int32_t id = client_->Ask({}, "the begin", false);
  EXPECT_TRUE(Carry());
  request(0).Begin();
  request(0).Push("half");
  request(0).stream->Reset();
  EXPECT_TRUE(Carry());
  EXPECT_EQ(client_->answers[id].reset, uint32_t{NGHTTP2_CANCEL});
  EXPECT_TRUE(request(0).closed);
}

TEST_F(Http2SessionTest, TellsTheHandlerThatTheCallerBrokeOff) {
  Open();
  const int32_t id = client_->Ask({}, "the begin", false);
  EXPECT_TRUE(Carry());
  client_->Reset(id);
  EXPECT_TRUE(Carry());
  EXPECT_TRUE(request(0).closed);
  EXPECT_FALSE(request(0).ended);
  EXPECT_EQ(session_->Streams(), 0u);
  client_->Ask({});
  EXPECT_TRUE(Carry());
  session_.reset();
  EXPECT_TRUE(request(1).closed);
}

TEST_F(Http2SessionTest, LimitsTheHead) {
  // What the four fields of Ask and the name x count.
  size_t others = 4 * 32 + 32 + 1;
  for (const std::string_view text :
       {":method", "POST", ":scheme", "http", ":path", "/a", ":authority", "a.test"}) {
    others += text.size();
  }
  Open();
  client_->Ask({{"x", std::string(limits_.header_bytes - others, 'x')}});
  EXPECT_TRUE(Carry());
  EXPECT_EQ(requests(), 1u);
  for (const bool ends : {true, false}) {
    const int32_t id = client_->Ask(
        {{"x", std::string(limits_.header_bytes - others + 1, 'x')}, {"y", "z"}}, "body", ends);
    EXPECT_TRUE(Carry());
    EXPECT_EQ(client_->answers[id].reset, uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
  }
  EXPECT_EQ(ledger_.refused(EdgeCause::kHead), 2u);
  // Nobody else notices.
  EXPECT_EQ(session_->Streams(), 1u);
  EXPECT_EQ(session_->OwesSince(), Time::max());
  client_->Ask({}, "body");
  EXPECT_TRUE(Carry());
  EXPECT_EQ(requests(), 2u);
  EXPECT_EQ(request(1).body, "body");
}

TEST_F(Http2SessionTest, LimitsFramesThatSayNothing) {
  const std::string eight(8, '\0');
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"PING", Frame(NGHTTP2_PING, 0, 0, eight)},
      {"PING ack", Frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, eight)},
      {"SETTINGS", Frame(NGHTTP2_SETTINGS, 0, 0, "")},
      {"PRIORITY", Frame(NGHTTP2_PRIORITY, 0, 1, std::string("\0\0\0\0\1", 5))},
      {"DATA", Frame(NGHTTP2_DATA, 0, 1, "")},
  };
  for (const auto& [name, frame] : kinds) {
    SCOPED_TRACE(name);
    Open();
    const uint64_t before = ledger_.refused(EdgeCause::kProtocol);
    client_->Ask({}, "x", false);
    EXPECT_TRUE(Carry());
    int sent = 0;
    std::optional<uint32_t> goaway;
    for (; !goaway && sent < 1000; ++sent) {
      Receive(frame);
      goaway = GoawayIn(Sent());
    }
    EXPECT_EQ(goaway, uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
    EXPECT_GE(sent, 10);
    EXPECT_LE(sent, 21);
    EXPECT_EQ(ledger_.refused(EdgeCause::kProtocol), before + 1);
    EXPECT_TRUE(session_->Done());
    // At a slower pace they may come for ever.
    Open();
    client_->Ask({}, "x", false);
    EXPECT_TRUE(Carry());
    for (int i = 0; i < 100; ++i) {
      now_ += std::chrono::seconds(1);
      EXPECT_TRUE(Receive(frame));
      EXPECT_EQ(GoawayIn(Sent()), std::nullopt);
    }
  }
}

TEST_F(Http2SessionTest, LimitsWindowUpdates) {
  Open();
  client_->Ask({}, "x", false);
  EXPECT_TRUE(Carry());
  const std::string frame = Frame(NGHTTP2_WINDOW_UPDATE, 0, 1, std::string("\0\0\0\1", 4));
  int sent = 0;
  std::optional<uint32_t> goaway;
  for (; !goaway && sent < 1000; ++sent) {
    Receive(frame);
    goaway = GoawayIn(Sent());
  }
  EXPECT_EQ(goaway, uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
  EXPECT_GE(sent, 20);
  EXPECT_LE(sent, 41);
  EXPECT_EQ(ledger_.refused(EdgeCause::kProtocol), 1u);
}

// CVE-2023-44487.
TEST_F(Http2SessionTest, LimitsRequestsThatAreBrokenOffAtOnce) {
  Open();
  EXPECT_TRUE(Carry());
  for (int i = 0; i < 100 && !client_->goaway; ++i) {
    const int32_t id = client_->Ask({}, "x", false);
    std::string bytes = client_->Take();
    client_->Reset(id);
    bytes += client_->Take();
    Receive(bytes);
    client_->Give(Sent());
  }
  EXPECT_EQ(client_->goaway, uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
  EXPECT_GE(requests(), 10u);
  EXPECT_LE(requests(), 21u);
  EXPECT_EQ(ledger_.refused(EdgeCause::kProtocol), 1u);
  EXPECT_TRUE(session_->Done());
}

TEST_F(Http2SessionTest, LimitsContinuations) {
  Open();
  EXPECT_TRUE(Carry());
  EXPECT_TRUE(Receive(Frame(NGHTTP2_HEADERS, 0, 1, "")));
  bool alive = true;
  for (int i = 0; alive && i < 100; ++i) alive = Receive(Frame(NGHTTP2_CONTINUATION, 0, 1, ""));
  EXPECT_FALSE(alive);
  EXPECT_EQ(requests(), 0u);
  EXPECT_GE(ledger_.refused(EdgeCause::kProtocol), 1u);
}

TEST_F(Http2SessionTest, LimitsStreams) {
  Open();
  // The client does not know of the limit yet.
  std::vector<int32_t> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(client_->Ask({}));
  EXPECT_TRUE(Carry());
  EXPECT_EQ(requests(), limits_.streams);
  EXPECT_EQ(session_->Streams(), limits_.streams);
  EXPECT_EQ(client_->answers[ids[5]].reset, uint32_t{NGHTTP2_REFUSED_STREAM});
  EXPECT_EQ(ledger_.refused(EdgeCause::kProtocol), 0u);
}

TEST_F(Http2SessionTest, EndsOnceDrained) {
  Open();
  const int32_t id = client_->Ask({}, "x", false);
  EXPECT_TRUE(Carry());
  session_->Drain();
  EXPECT_TRUE(Carry());
  EXPECT_EQ(client_->goaway, uint32_t{NGHTTP2_NO_ERROR});
  EXPECT_EQ(client_->last_taken, id);
  EXPECT_FALSE(session_->Done());
  // A request that crossed it is not taken; its caller knows that it can ask elsewhere.
  Receive(Frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, id + 2,
                "\x83\x86\x84\x41\x01x"));
  EXPECT_EQ(requests(), 1u);
  request(0).Answer(200, "done");
  EXPECT_TRUE(Carry());
  EXPECT_EQ(client_->answers[id].body, "done");
  EXPECT_TRUE(session_->Done());
}

TEST_F(Http2SessionTest, EndsWithItsCaller) {
  Open();
  EXPECT_TRUE(Carry());
  EXPECT_FALSE(session_->Done());
  client_->Leave();
  Carry();
  EXPECT_TRUE(session_->Done());
}

TEST_F(Http2SessionTest, TakesNoMoreThanTheHandlerDoes) {
  connection_.consumes = false;
  Open();
  const std::string body(100'000, 'x');
  client_->Ask({}, body);
  const int32_t other = client_->Ask({}, "short");
  EXPECT_TRUE(Carry());
  // The limit holds from the client's first bytes on only if it has the server's settings.
  const size_t before = request(0).body.size();
  EXPECT_LE(before, 65535u);
  EXPECT_FALSE(request(0).ended);
  // A stream whose handler takes nothing holds up no other.
  ASSERT_EQ(requests(), 2u);
  EXPECT_TRUE(request(1).ended);
  EXPECT_EQ(request(1).body, "short");
  request(1).Answer(200, "yes");
  EXPECT_TRUE(Carry());
  EXPECT_EQ(client_->answers[other].body, "yes");
  // From here on there is never more unconsumed than the window.
  size_t consumed = 0;
  while (!request(0).ended) {
    const size_t now = request(0).body.size();
    ASSERT_GT(now, consumed);
    ASSERT_LE(now - consumed, std::max<size_t>(before, limits_.stream_window));
    request(0).stream->Consumed(now - consumed);
    consumed = now;
    ASSERT_TRUE(Carry());
  }
  EXPECT_EQ(request(0).body, body);
}

TEST_F(Http2SessionTest, KeepsToTheWindowThatItAnnounced) {
  connection_.consumes = false;
  Open();
  EXPECT_TRUE(Carry());
  client_->Ask({}, std::string(100'000, 'x'));
  EXPECT_TRUE(Carry());
  EXPECT_EQ(request(0).body.size(), limits_.stream_window);
  // Half a window, as nghttp2 sends no smaller update.
  request(0).stream->Consumed(limits_.stream_window / 2);
  EXPECT_TRUE(Carry());
  EXPECT_EQ(request(0).body.size(), limits_.stream_window * 3 / 2);
}

TEST_F(Http2SessionTest, SendsNoMoreThanTheCallerTakes) {
  Open(/*client_reads=*/false);
  constexpr size_t kDefaultWindow = 65535;
  const int32_t id = client_->Ask({});
  EXPECT_TRUE(Carry());
  const std::string body(1 << 20, 'x');
  request(0).Answer(200, body);
  EXPECT_TRUE(Carry());
  size_t consumed = 0;
  while (!client_->answers[id].closed) {
    const size_t now = client_->answers[id].body.size();
    ASSERT_GT(now, consumed);
    ASSERT_LE(now - consumed, kDefaultWindow);
    EXPECT_FALSE(request(0).closed);
    client_->Consume(id, now - consumed);
    consumed = now;
    now_ += std::chrono::seconds(1);
    ASSERT_TRUE(Carry());
  }
  EXPECT_TRUE(client_->answers[id].body == body);
  EXPECT_TRUE(request(0).closed);
}

TEST_F(Http2SessionTest, RefusesWhatIsNotHttp2) {
  Open();
  EXPECT_FALSE(Receive("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"));
  EXPECT_FALSE(Receive("more"));
  EXPECT_TRUE(session_->Done());
  EXPECT_EQ(ledger_.refused(EdgeCause::kProtocol), 1u);
  // After a good beginning, the caller is told why.
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"DATA without a stream", Frame(NGHTTP2_DATA, 0, 0, "x")},
      {"HEADERS of an even stream", Frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2, "\x83")},
      {"a long PING", Frame(NGHTTP2_PING, 0, 0, "123456789")},
      {"a large frame", Frame(NGHTTP2_DATA, 0, 1, std::string(16385, 'x'))},
      {"header compression", Frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, "\xff\xff\xff")},
  };
  for (const auto& [name, frame] : kinds) {
    SCOPED_TRACE(name);
    Open();
    const uint64_t before = ledger_.refused(EdgeCause::kProtocol);
    EXPECT_TRUE(Carry());
    Receive(frame);
    EXPECT_TRUE(GoawayIn(Sent()).has_value());
    EXPECT_TRUE(session_->Done());
    EXPECT_EQ(ledger_.refused(EdgeCause::kProtocol), before + 1);
  }
}

// RFC 9113, 8.2.1: bytes that another server behind might take for the end of a field.
TEST_F(Http2SessionTest, RefusesFieldsThatAreNotAllowed) {
  Open();
  EXPECT_TRUE(Carry());
  const std::string start = "\x83\x86\x84\x41\x01x";
  const auto field = [](std::string_view name, std::string_view value) {
    std::string bytes(1, '\0');
    (bytes += static_cast<char>(name.size())) += name;
    (bytes += static_cast<char>(value.size())) += value;
    return bytes;
  };
  int32_t id = 1;
  for (const std::string& wrong : {field("x", "a\r\nb"), field("X", "a"), field("x y", "a"),
                                   field("connection", "close"), field(":other", "a")}) {
    Receive(Frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, start + wrong));
    Receive(Frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id, "x"));
    Sent();
    id += 2;
  }
  EXPECT_EQ(requests(), 0u);
  EXPECT_EQ(session_->Streams(), 0u);
  EXPECT_GE(ledger_.refused(EdgeCause::kProtocol), 5u);
  Receive(Frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, start + field("x", "a b")));
  EXPECT_EQ(requests(), 1u);
}

TEST_F(Http2SessionTest, SaysSinceWhenTheRestIsOwed) {
  Open();
  const Time begin = now_;
  const std::string preface = client_->Take();
  now_ += std::chrono::seconds(1);
  EXPECT_TRUE(Receive(preface.substr(0, 30)));
  EXPECT_EQ(session_->OwesSince(), begin);
  EXPECT_TRUE(Receive(preface.substr(30)));
  EXPECT_EQ(session_->OwesSince(), Time::max());
  client_->Ask({});
  const std::string head = client_->Take();
  now_ += std::chrono::seconds(1);
  const Time head_begin = now_;
  // Its frame may say that it is the last of the head and still be cut.
  for (size_t i = 9; i < head.size() - 1; ++i) {
    EXPECT_TRUE(Receive(head.substr(i == 9 ? 0 : i, i == 9 ? 10 : 1)));
    EXPECT_EQ(session_->OwesSince(), head_begin) << i;
    now_ += std::chrono::seconds(1);
  }
  EXPECT_TRUE(Receive(head.substr(head.size() - 1)));
  EXPECT_EQ(session_->OwesSince(), Time::max());
  EXPECT_EQ(requests(), 1u);
  // A head of several frames.
  now_ += std::chrono::seconds(1);
  const Time next = now_;
  EXPECT_TRUE(Receive(Frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 3, "\x83\x86")));
  EXPECT_EQ(session_->OwesSince(), next);
  now_ += std::chrono::seconds(1);
  EXPECT_TRUE(Receive(Frame(NGHTTP2_CONTINUATION, 0, 3, "\x84")));
  EXPECT_EQ(session_->OwesSince(), next);
  EXPECT_TRUE(Receive(Frame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 3, "\x41\x01x")));
  EXPECT_EQ(session_->OwesSince(), Time::max());
  EXPECT_EQ(requests(), 2u);
}

}  // namespace
}  // namespace sluice::server
