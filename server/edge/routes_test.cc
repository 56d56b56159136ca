// Where requests go, and what becomes of calls, without a session.
#include "server/edge/routes.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "server/calls/bidi_reactor.h"
#include "server/calls/methods.h"
#include "server/edge/message_reader.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {
namespace {

// The stream of a request, without a session. Remembers what its handler says.
class FakeStream final : public HttpStream {
 public:
  void Respond(int code, const Headers& fields, bool body_follows) override {
    EXPECT_FALSE(status.has_value()) << "answered twice";
    status = code;
    headers = fields;
    has_body = body_follows;
  }
  void Resume() override {
    EXPECT_TRUE(has_body);
    resumed = true;
  }
  void Consumed(size_t bytes) override { consumed += bytes; }
  void Reset() override { reset = true; }

  // Takes of the response's body what there is, as a session does: `most` bytes at a time, and
  // only when the handler has said that there is something.
  void PullFrom(HttpHandler* handler, size_t most = 1024) {
    while (has_body && !ended && std::exchange(resumed, false)) {
      std::string part(most, '\0');
      while (!ended) {
        const HttpHandler::Pulled pulled = handler->Pull(part.data(), most);
        body.append(part, 0, pulled.bytes);
        ended = pulled.end;
        if (pulled.trailers != nullptr) trailers = *pulled.trailers;
        if (pulled.bytes == 0) break;
      }
    }
  }

  std::optional<int> status;
  Headers headers;
  Headers trailers;
  std::string body;
  bool has_body = false;
  bool ended = false;
  bool reset = false;
  bool resumed = true;  // A response's beginning is asked for its body, too.
  size_t consumed = 0;
};

// Counts what its calls were told.
struct Told {
  std::atomic<int> cancelled{0};
  std::atomic<int> unwritten{0};
  std::atomic<int> more{0};  // Messages behind which there was another.
};

// Answers each message with an empty one, one after the other.
template <typename Request, typename Response>
class Acknowledger final : public BidiReactor<Request, Response> {
 public:
  Acknowledger(std::shared_ptr<Call> call, Told* told)
      : BidiReactor<Request, Response>(std::move(call)), told_(told) {
    this->StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return this->Finish(absl::OutOfRangeError("that is all"));
    told_->more += this->call().MoreArrived() ? 1 : 0;
    this->StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (ok) return this->StartRead(&request_);
    ++told_->unwritten;
    this->Finish(absl::CancelledError());
  }
  void OnCancel() override { ++told_->cancelled; }
  void OnDone() override { delete this; }

 private:
  ~Acknowledger() override = default;

  Told* const told_;
  Request request_;
  const Response response_;
};

std::string Framed(std::string_view message, uint8_t first = 0) {
  std::string bytes(kMessagePrefix, '\0');
  WriteMessagePrefix(first, message.size(), bytes.data());
  return bytes.append(message);
}

constexpr const char* kOrigin = "https://page.test";
constexpr const char* kUnary = "/sluice.v1.ControlService/GetPolicy";
// The same on the lane of packets and on that of bulk.
constexpr const char* kStreams[] = {"/sluice.v1.DecisionService/Decide",
                                    "/sluice.v1.ControlService/TestPolicy"};
const std::string kEmptyMessage = Framed("");

RequestHead GrpcHead(const std::string& path, Headers more = {}) {
  more.insert(more.begin(), {"content-type", "application/grpc"});
  return {"POST", path, "a.test", std::move(more), /*http2=*/true};
}

RequestHead WebHead(const std::string& path, Headers more = {}) {
  more.insert(more.begin(), {"content-type", "application/grpc-web+proto"});
  return {"POST", path, "a.test", std::move(more), /*http2=*/false};
}

RequestHead PageHead(const std::string& method, const std::string& path, Headers headers = {}) {
  return {method, path, "a.test", std::move(headers), /*http2=*/false};
}

class RoutesTest : public testing::Test {
 protected:
  RoutesTest() {
    methods_.AddBidi<v1::DecideRequest, v1::DecideResponse>(
        "sluice.v1.DecisionService", "Decide", Lane::kPackets, [this](std::shared_ptr<Call> call) {
          new Acknowledger<v1::DecideRequest, v1::DecideResponse>(std::move(call), &told_);
        });
    methods_.AddBidi<v1::TestPolicyRequest, v1::TestPolicyResponse>(
        "sluice.v1.ControlService", "TestPolicy", Lane::kBulk, [this](std::shared_ptr<Call> call) {
          new Acknowledger<v1::TestPolicyRequest, v1::TestPolicyResponse>(std::move(call), &told_);
        });
    methods_.AddUnary<v1::GetPolicyRequest, v1::GetPolicyResponse>(
        "sluice.v1.ControlService", "GetPolicy",
        [](UnaryCall<v1::GetPolicyRequest, v1::GetPolicyResponse>* call) {
          call->response.mutable_policy()->set_version(call->request.version());
          call->Finish(call->request.version() == 0 ? absl::NotFoundError("none")
                                                    : absl::OkStatus());
        },
        /*largest_request=*/100);
  }
  // Each call ends, and nothing of it is kept.
  ~RoutesTest() override {
    End();
    EXPECT_TRUE(calls_.AwaitNone(std::chrono::seconds(20)));
    EXPECT_EQ(ledger_->held(), 0u);
    bulk_.join();
  }

  // Has the connection's thread run `work`, and then what it deferred.
  void OnThread(std::function<void()> work) {
    std::promise<void> done;
    thread_.Post(std::move(work));
    thread_.Post([&] { done.set_value(); });
    done.get_future().wait();
  }

  void Ask(const RequestHead& head) {
    End();
    OnThread([&] {
      stream_ = std::make_unique<FakeStream>();
      handler_ = routes_.Route(head, stream_.get(),
                               {&limits_, &thread_, &bulk_, &calls_, peer_, "ipv4:192.0.2.1:1"});
    });
  }
  void End() {
    OnThread([&] {
      if (handler_ != nullptr) std::exchange(handler_, nullptr)->OnClosed();
    });
  }
  void Say(std::string_view bytes) {
    OnThread([&] { handler_->OnBody(bytes); });
  }
  void SayNoMore() {
    OnThread([&] { handler_->OnBodyEnd(); });
  }
  // Reads the answer, unless not, until that is so.
  void Until(const std::function<bool()>& so, bool reads = true) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    bool is = false;
    while (!is && std::chrono::steady_clock::now() < patience) {
      OnThread([&] {
        if (reads) stream_->PullFrom(handler_.get(), at_once_);
        is = so();
      });
    }
    EXPECT_TRUE(is);
  }
  void UntilAnswered() {
    Until([this] { return stream_->ended || (stream_->status && !stream_->has_body); });
  }
  // The status of an answer that is complete.
  std::string Status() {
    UntilAnswered();
    EXPECT_EQ(stream_->status, 200);
    const std::string_view in_head = Find(stream_->headers, "grpc-status");
    return std::string(in_head.empty() ? Find(stream_->trailers, "grpc-status") : in_head);
  }
  std::string_view Field(std::string_view name) const { return Find(stream_->headers, name); }

  Told told_;
  Methods methods_;
  EdgeLimits limits_{.held_a_peer = 10'000, .free_a_call = 1000};
  std::unique_ptr<Ledger> ledger_ = std::make_unique<Ledger>(limits_);
  std::shared_ptr<Ledger::Peer> peer_ = ledger_->Enter("a", {});
  Routes routes_{&methods_, {kOrigin}};
  UseCount calls_;
  IoThread thread_{std::chrono::nanoseconds(0)};
  boost::asio::thread_pool bulk_{2};
  std::unique_ptr<FakeStream> stream_;
  std::shared_ptr<HttpHandler> handler_;
  size_t at_once_ = 1024;  // bytes of an answer that are read
};

TEST_F(RoutesTest, AnswersWhatIsNoCall) {
  struct {
    RequestHead head;
    int status;
    std::string body;
  } const kCases[] = {
      {PageHead("GET", "/healthz"), 200, "ok\n"},
      {PageHead("HEAD", "/healthz"), 200, "ok\n"},  // Which the session leaves out.
      {PageHead("GET", "/healthz", {{"origin", "http://a.test"}}), 200, "ok\n"},
      {PageHead("GET", "/healthz", {{"origin", kOrigin}}), 200, "ok\n"},
      {PageHead("GET", "/healthz", {{"origin", "https://page.test:1"}}), 403, "pages of this"},
      {PageHead("GET", "/healthz", {{"origin", "https://b.test"}}), 403, "pages of this"},
      {PageHead("GET", "/healthz", {{"origin", "http://a.test.b"}}), 403, "pages of this"},
      {PageHead("GET", "/healthz", {{"origin", "http://a.test:1"}}), 403, "pages of this"},
      {PageHead("GET", "/healthz", {{"origin", "null"}}), 403, "pages of this"},
      {PageHead("GET", "/healthz", {{"origin", "a.test"}}), 403, "pages of this"},
      {PageHead("GET", "/healthz/"), 404, "there is no"},
      {PageHead("GET", kUnary), 404, "there is no"},
      {PageHead("POST", "/healthz"), 415, "this server takes calls"},
      {PageHead("PUT", kUnary, {{"content-type", "application/json"}}), 415, "this server takes"},
      {PageHead("OPTIONS", kUnary), 415, "this server takes calls"},
      {PageHead("GET", kUnary, {{"content-type", "application/grpc"}}), 405, "calls of gRPC are"},
      {PageHead("POST", kUnary, {{"content-type", "application/grpc"}}), 426, "gRPC needs HTTP/2"},
      {WebHead(kUnary, {{"origin", "https://b.test"}}), 403, "pages of this"},
  };
  for (const auto& [head, status, body] : kCases) {
    Ask(head);
    Say("it does not matter");
    UntilAnswered();
    EXPECT_EQ(stream_->status, status) << head.method << " " << head.path;
    EXPECT_EQ(stream_->body.substr(0, body.size()), body);
    EXPECT_EQ(Field("content-type"), "text/plain; charset=utf-8");
    EXPECT_EQ(stream_->consumed, 18u);
  }
}

TEST_F(RoutesTest, TellsPagesWhetherTheyMayCall) {
  const std::string fields = "content-type,x-grpc-web,x-mine-bin";
  Ask(PageHead("OPTIONS", kUnary,
               {{"origin", kOrigin}, {"access-control-request-headers", fields}}));
  UntilAnswered();
  EXPECT_EQ(stream_->status, 204);
  EXPECT_FALSE(stream_->has_body);
  EXPECT_EQ(Field("access-control-allow-origin"), kOrigin);
  EXPECT_EQ(Field("access-control-allow-methods"), "POST");
  EXPECT_EQ(Field("access-control-allow-headers"), fields);
  EXPECT_EQ(Field("vary"), "origin, access-control-request-headers");
  Ask(PageHead("OPTIONS", kUnary, {{"origin", "https://b.test"}}));
  UntilAnswered();
  EXPECT_EQ(stream_->status, 403);
  EXPECT_EQ(Field("access-control-allow-origin"), "");
}

TEST_F(RoutesTest, RefusesCallsInTheirOwnWords) {
  struct {
    std::string path;
    Headers headers;
    std::string status;
    std::string message;
  } const kCases[] = {
      {"/sluice.v1.ControlService/Nothing",
       {},
       "12",
       "no method /sluice.v1.ControlService/Nothing"},
      {"/" + std::string(1000, 'x'), {}, "12", "no method /" + std::string(255, 'x')},
      {"", {}, "12", "no method "},
      {kUnary, {{"grpc-encoding", "gzip"}}, "12", "compressed"},
      {kUnary, {{"grpc-timeout", "1s"}}, "3", "grpc-timeout"},
  };
  for (const auto& [path, headers, status, message] : kCases) {
    for (const bool web : {false, true}) {
      Headers more = headers;
      if (web) more.emplace_back("origin", kOrigin);
      Ask(web ? WebHead(path, more) : GrpcHead(path, more));
      EXPECT_EQ(Status(), status);
      EXPECT_FALSE(stream_->has_body);
      EXPECT_EQ(Field("content-type"), web ? "application/grpc-web+proto" : "application/grpc");
      EXPECT_EQ(Field("grpc-accept-encoding"), "identity");
      const std::string_view said = Field("grpc-message");
      EXPECT_NE(said.find(message), std::string_view::npos) << said;
      EXPECT_LT(said.size(), 400u);
      // Without these, a page cannot read what went wrong.
      EXPECT_EQ(Field("access-control-allow-origin"), web ? kOrigin : "");
      EXPECT_EQ(Field("access-control-expose-headers"),
                web ? "grpc-status, grpc-message, grpc-status-details-bin" : "");
    }
  }
  EXPECT_EQ(ledger_->refused(EdgeCause::kMessage), 2u);
}

TEST_F(RoutesTest, AnswersAUnaryCall) {
  v1::GetPolicyRequest request;
  request.set_version(7);
  v1::GetPolicyResponse response;
  response.mutable_policy()->set_version(7);
  const std::string bytes = Framed(request.SerializeAsString());
  const std::string message = Framed(response.SerializeAsString());
  for (const bool web : {false, true}) {
    for (size_t split = 1; split < bytes.size(); ++split) {
      at_once_ = split;
      const Headers more = {{"grpc-timeout", "1H"}, {"grpc-encoding", "identity"}};
      Ask(web ? WebHead(kUnary, more) : GrpcHead(kUnary, more));
      Say(std::string_view(bytes).substr(0, split));
      Say(std::string_view(bytes).substr(split));
      SayNoMore();
      UntilAnswered();
      EXPECT_EQ(stream_->status, 200);
      EXPECT_EQ(stream_->body, message + (web ? Framed("grpc-status: 0\r\n", 0x80) : ""));
      EXPECT_EQ(stream_->trailers, web ? Headers{} : (Headers{{"grpc-status", "0"}}));
    }
  }
}

TEST_F(RoutesTest, AnswersAUnaryCallThatFails) {
  Ask(GrpcHead(kUnary));
  Say(kEmptyMessage);
  SayNoMore();
  EXPECT_EQ(Status(), "5");
  EXPECT_FALSE(stream_->has_body);
  EXPECT_EQ(Field("grpc-message"), "none");
  Ask(WebHead(kUnary, {{"origin", kOrigin}}));
  Say(kEmptyMessage);
  SayNoMore();
  UntilAnswered();
  EXPECT_EQ(stream_->body, Framed("grpc-status: 5\r\ngrpc-message: none\r\n", 0x80));
  EXPECT_EQ(Field("access-control-allow-origin"), kOrigin);
  EXPECT_NE(Field("access-control-expose-headers"), "");
}

TEST_F(RoutesTest, RefusesMessagesThatAreNone) {
  const std::pair<std::string, std::string> kCases[] = {
      {"", "12"},                             // none
      {kEmptyMessage + kEmptyMessage, "12"},  // two
      {Framed("\x0f"), "3"},                  // not protobuf
      {Framed("", 1), "13"},                  // compressed
      {"x", "3"},                             // not gRPC
      {Framed(std::string(101, '\0')), "8"},  // too large
  };
  for (const auto& [bytes, status] : kCases) {
    Ask(GrpcHead(kUnary));
    if (!bytes.empty()) Say(bytes);
    SayNoMore();
    EXPECT_EQ(Status(), status) << status;
  }
  EXPECT_EQ(ledger_->refused(EdgeCause::kMessage), 3u);
}

TEST_F(RoutesTest, RefusesMessagesOfTooManyParts) {
  v1::DecideRequest request;
  for (int i = 0; i < 3; ++i) request.mutable_packets()->add_packets();
  limits_.small_message = request.ByteSizeLong() - 1;
  for (const size_t parts : {4u, 3u}) {
    limits_.message_parts = parts;
    Ask(GrpcHead(kStreams[0]));
    Say(Framed(request.SerializeAsString()));
    SayNoMore();
    EXPECT_EQ(Status(), parts == 4 ? "11" : "8");
  }
  limits_.small_message += 1;
  Ask(GrpcHead(kStreams[0]));
  Say(Framed(request.SerializeAsString()));
  SayNoMore();
  EXPECT_EQ(Status(), "11");
}

TEST_F(RoutesTest, EndsCallsWhoseRequestDoesNotArrive) {
  limits_.request_period = std::chrono::seconds(0);
  Ask(GrpcHead(kUnary));
  Say("\0");
  EXPECT_EQ(Status(), "4");
  EXPECT_EQ(ledger_->refused(EdgeCause::kTooSlow), 1u);
}

TEST_F(RoutesTest, AnswersAStreamOneMessageAfterTheOther) {
  for (const char* const path : kStreams) {
    Ask(GrpcHead(path));
    for (size_t i = 1; i <= 3; ++i) {
      Say(kEmptyMessage);
      Until([&] { return stream_->body.size() == i * kMessagePrefix; });
      Until([&] { return stream_->consumed == i * kMessagePrefix; });
    }
    SayNoMore();
    EXPECT_EQ(Status(), "11");
    EXPECT_EQ(stream_->trailers.size(), 2u);
  }
  EXPECT_EQ(told_.cancelled, 0);
  EXPECT_EQ(told_.unwritten, 0);
}

TEST_F(RoutesTest, TellsStreamsOfPacketsWhetherMoreHasArrived) {
  for (const char* const path : kStreams) {
    Ask(GrpcHead(path));
    Say(std::string(3 * kMessagePrefix, '\0'));
    Until([&] { return stream_->body.size() == 3 * kMessagePrefix; });
    EXPECT_EQ(told_.more, 2) << path;  // None on the lane of bulk.
  }
}

// A caller that does not read its answers may say no more, by the window.
TEST_F(RoutesTest, OpensTheWindowAsMessagesAreTaken) {
  std::string messages;
  for (int i = 0; i < 3; ++i) messages += kEmptyMessage;
  for (const char* const path : kStreams) {
    Ask(GrpcHead(path));
    Say(messages);
    Until([this] { return stream_->status.has_value(); }, /*reads=*/false);
    EXPECT_EQ(stream_->consumed, 0u);
    Until([this] { return stream_->body.size() == 3 * kMessagePrefix; });
    Until([this] { return stream_->consumed == 3 * kMessagePrefix; });
  }
}

TEST_F(RoutesTest, TellsTheServiceThatTheCallerIsGone) {
  for (const char* const path : kStreams) {
    const int before = told_.cancelled;
    Ask(GrpcHead(path));
    Say(kEmptyMessage);
    Until([this] { return stream_->status.has_value(); }, /*reads=*/false);
    End();
    Until([&] { return told_.cancelled == before + 1 && told_.unwritten == before + 1; },
          /*reads=*/false);
  }
}

// The caller learns why, although the service has something else to say by then.
TEST_F(RoutesTest, SendsTheStatusOfACallThatWasBrokenOffInItsMidst) {
  for (const char* const path : kStreams) {
    Ask(GrpcHead(path));
    Say(kEmptyMessage);
    Until([this] { return stream_->body.size() == kMessagePrefix; });
    Say("x");
    EXPECT_EQ(Status(), "3");
    EXPECT_EQ(stream_->body, kEmptyMessage);
  }
}

// The answer is kept for a caller who reads nothing, until the deadline.
TEST_F(RoutesTest, TellsTheServiceThatAnAnswerWasNotReadInTime) {
  for (const char* const path : kStreams) {
    const int before = told_.cancelled;
    Ask(GrpcHead(path, {{"grpc-timeout", "1S"}}));
    Say(kEmptyMessage);
    Until([this] { return stream_->status.has_value(); }, /*reads=*/false);
    Until([&] { return told_.cancelled == before + 1 && told_.unwritten == before + 1; },
          /*reads=*/false);
    EXPECT_EQ(Status(), "4");
    EXPECT_EQ(stream_->body, "");
    EXPECT_FALSE(stream_->reset);
  }
}

// In the midst of a message there is no place for a status.
TEST_F(RoutesTest, BreaksOffAnAnswerThatWasReadInPart) {
  for (const char* const path : kStreams) {
    const int before = told_.unwritten;
    Ask(GrpcHead(path, {{"grpc-timeout", "1S"}}));
    Say(kEmptyMessage);
    Until([this] { return stream_->status.has_value(); }, /*reads=*/false);
    OnThread([this] {
      char part[3];
      EXPECT_EQ(handler_->Pull(part, sizeof part).bytes, sizeof part);
    });
    Until([this] { return stream_->reset; }, /*reads=*/false);
    Until([&] { return told_.unwritten == before + 1; }, /*reads=*/false);
  }
}

TEST_F(RoutesTest, CountsWhatItKeeps) {
  for (const char* const path : kStreams) {
    Ask(GrpcHead(path));
    Say(kEmptyMessage);
    Until([this] { return stream_->status.has_value(); }, /*reads=*/false);
    // Nobody takes this while the answer is not read. One call may go beyond the budget.
    Say(Framed(std::string(20'000, '\0')));
    Until([this] { return ledger_->held() == 20'000 + kMessagePrefix - limits_.free_a_call; },
          /*reads=*/false);
    SayNoMore();
    EXPECT_EQ(Status(), "11");
    Until([this] { return ledger_->held() == 0; });
  }
}

TEST_F(RoutesTest, KeepsNoMoreForAPeerThanItsBudget) {
  for (const char* const path : kStreams) {
    const uint64_t before = ledger_->refused(EdgeCause::kBudget);
    Ask(GrpcHead(path));
    Say(kEmptyMessage);
    Until([this] { return stream_->status.has_value(); }, /*reads=*/false);
    ASSERT_TRUE(peer_->Hold(Held::kArrived, limits_.held_a_peer, 0));
    Say(Framed(std::string(5000, '\0')));
    EXPECT_EQ(Status(), "8");
    EXPECT_EQ(ledger_->refused(EdgeCause::kBudget), before + 1);
    EXPECT_EQ(ledger_->held(), limits_.held_a_peer);
    peer_->Release(Held::kArrived, limits_.held_a_peer);
  }
}

TEST_F(RoutesTest, RefusesCallsOfAPeerWhoReadsNoAnswers) {
  ASSERT_TRUE(peer_->Hold(Held::kUnread, limits_.held_a_peer, 0));
  Ask(GrpcHead(kUnary));
  EXPECT_EQ(Status(), "8");
  EXPECT_EQ(ledger_->refused(EdgeCause::kBudget), 1u);
  // Gateways go on.
  Ask(GrpcHead(kStreams[0]));
  Say(kEmptyMessage);
  Until([this] { return stream_->body.size() == kMessagePrefix; });
  peer_->Release(Held::kUnread, limits_.held_a_peer);
}

}  // namespace
}  // namespace sluice::server
