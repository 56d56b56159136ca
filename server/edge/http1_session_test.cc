#include "server/edge/http1_session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "server/edge/fake_http.h"

namespace sluice::server {
namespace {

using Time = HttpSession::Time;

constexpr std::string_view kGet = "GET /healthz HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kEmpty = "content-length: 0\r\n\r\n";
constexpr std::string_view kChunked = "transfer-encoding: chunked\r\n\r\n";

class Http1SessionTest : public testing::Test {
 protected:
  Http1SessionTest() { Open(); }

  void Open() {
    session_.reset();
    connection_ = {};
    session_ = std::make_unique<Http1Session>(limits_, &connection_, peer_.get(), now_);
  }
  bool Receive(std::string_view bytes) { return session_->Receive(bytes, now_); }
  // All there is to send.
  std::string Sent() {
    std::string sent;
    while (session_->Produce(&sent)) {
    }
    return sent;
  }
  FakeHandler& last() { return *connection_.handlers.back(); }
  size_t requests() const { return connection_.handlers.size(); }

  EdgeLimits limits_{.header_bytes = 2048};
  Ledger ledger_{limits_};
  std::shared_ptr<Ledger::Peer> peer_ = ledger_.Enter("a", {});
  FakeConnection connection_;
  Time now_ = Time() + std::chrono::hours(1);
  std::unique_ptr<Http1Session> session_;
};

TEST_F(Http1SessionTest, ReadsAHead) {
  EXPECT_TRUE(Receive("POST /a?b=c HTTP/1.1\r\nHost: a.test:1\r\nX-Two:  two words \r\n\r\n"));
  ASSERT_EQ(requests(), 1u);
  EXPECT_EQ(last().head.method, "POST");
  EXPECT_EQ(last().head.path, "/a?b=c");
  EXPECT_EQ(last().head.authority, "a.test:1");
  EXPECT_EQ(Find(last().head.headers, "x-two"), "two words");
  EXPECT_FALSE(last().head.http2);
  EXPECT_TRUE(last().ended);
  EXPECT_EQ(session_->Streams(), 1u);
}

// Two requests, one with its length and one in chunks, and a third.
TEST_F(Http1SessionTest, ReadsTheSameHoweverBytesAreSplit) {
  const std::string bytes =
      "POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nfirst"
      "POST /2 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nsec\r\n3;x=y\r\nond\r\n0\r\nX-Trailer: t\r\n\r\n" +
      std::string(kGet);
  const auto expect_all = [&](size_t first, size_t then) {
    Open();
    std::string sent;
    for (size_t begin = 0; begin < bytes.size();) {
      ASSERT_TRUE(session_->WantsBytes());
      const size_t length = begin == 0 ? first : then;
      ASSERT_TRUE(Receive(std::string_view(bytes).substr(begin, length)));
      begin += length;
      while (requests() > 0 && last().ended && !last().closed) {
        last().Answer(200, "re: " + last().body);
        sent += Sent();
      }
    }
    ASSERT_EQ(requests(), 3u);
    EXPECT_EQ(connection_.handlers[0]->body, "first");
    EXPECT_EQ(connection_.handlers[1]->body, "second");
    EXPECT_EQ(connection_.handlers[1]->head.path, "/2");
    EXPECT_EQ(last().body, "");
    const std::string head = "HTTP/1.1 200 OK\r\n" + std::string(kChunked);
    EXPECT_EQ(sent, head + "9\r\nre: first\r\n0\r\n\r\n" + head + "a\r\nre: second\r\n0\r\n\r\n" +
                        head + "4\r\nre: \r\n0\r\n\r\n");
    EXPECT_EQ(session_->Streams(), 0u);
    EXPECT_FALSE(session_->Done());
  };
  for (size_t i = 1; i < bytes.size(); ++i) {
    SCOPED_TRACE(i);
    expect_all(i, bytes.size());
    expect_all(i, i);
    if (HasFailure()) return;
  }
}

TEST_F(Http1SessionTest, TakesTheNextRequestOnceOneIsAnswered) {
  EXPECT_TRUE(Receive(std::string(kGet) + std::string(kGet)));
  EXPECT_EQ(requests(), 1u);
  // The end of the connection must be noticed, so it is read, but not without limit.
  EXPECT_TRUE(session_->WantsBytes());
  last().Answer(204, "");
  EXPECT_TRUE(connection_.handlers[0]->closed);
  EXPECT_EQ(requests(), 2u);
  last().Answer(404, "");
  EXPECT_EQ(Sent(),
            "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 404 Not Found\r\n" + std::string(kEmpty));
  EXPECT_TRUE(session_->WantsBytes());
}

TEST_F(Http1SessionTest, SendsAnAnswerAsItComes) {
  Receive(kGet);
  last().Begin();
  EXPECT_EQ(Sent(), "HTTP/1.1 200 OK\r\n" + std::string(kChunked));
  EXPECT_EQ(Sent(), "");
  last().Push("a");
  last().Push("b");
  EXPECT_EQ(Sent(), "2\r\nab\r\n");
  last().End({});
  EXPECT_EQ(Sent(), "0\r\n\r\n");
  EXPECT_TRUE(last().closed);
}

// In pieces, so that a peer that does not read has no large answer waiting for it.
TEST_F(Http1SessionTest, SendsALargeAnswerInPieces) {
  Receive(kGet);
  last().Answer(200, std::string(1 << 20, 'x'));
  size_t pieces = 0;
  size_t total = 0;
  for (std::string piece; session_->Produce(&piece); piece.clear()) {
    EXPECT_LT(piece.size(), 128u << 10);
    ++pieces;
    total += static_cast<size_t>(std::count(piece.begin(), piece.end(), 'x'));
  }
  EXPECT_GE(pieces, 8u);
  EXPECT_EQ(total, 1u << 20);
}

TEST_F(Http1SessionTest, ClosesWhenAsked) {
  EXPECT_TRUE(Receive("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  last().Answer(200, "");
  EXPECT_FALSE(session_->Done());  // Not before it was sent.
  EXPECT_EQ(Sent(), "HTTP/1.1 200 OK\r\nconnection: close\r\n" + std::string(kEmpty));
  EXPECT_TRUE(session_->Done());
  EXPECT_FALSE(Receive(kGet));
  EXPECT_EQ(requests(), 1u);
}

// Load balancers ask so. HTTP/1.0 has no chunks: the end of the connection ends the body.
TEST_F(Http1SessionTest, AnswersHttp10) {
  EXPECT_TRUE(Receive("GET / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n"));
  last().Answer(200, "ok\n");
  EXPECT_EQ(Sent(), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok\n");
  EXPECT_TRUE(session_->Done());
}

TEST_F(Http1SessionTest, SendsNoBodyInAnswerToHead) {
  EXPECT_TRUE(Receive("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"));
  last().Answer(200, "ok\n");
  EXPECT_EQ(Sent(), "HTTP/1.1 200 OK\r\n" + std::string(kChunked));
  EXPECT_TRUE(last().closed);
  EXPECT_TRUE(Receive(kGet));
  EXPECT_EQ(requests(), 2u);
}

TEST_F(Http1SessionTest, LetsTheCallerContinue) {
  EXPECT_TRUE(
      Receive("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
  EXPECT_EQ(Sent(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(Receive("x"));
  EXPECT_EQ(last().body, "x");
  EXPECT_TRUE(last().ended);
}

// The rest would have to be read before the next request.
TEST_F(Http1SessionTest, EndsTheConnectionAfterAnEarlyAnswer) {
  EXPECT_TRUE(Receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx"));
  last().Answer(415, "no\n");
  EXPECT_EQ(Sent(), "HTTP/1.1 415 Unsupported Media Type\r\nconnection: close\r\n" +
                        std::string(kChunked) + "3\r\nno\n\r\n0\r\n\r\n");
  EXPECT_TRUE(session_->Done());
}

// Beast limits the first line and the fields each.
TEST_F(Http1SessionTest, LimitsTheHead) {
  const auto request = [](size_t bytes) {
    std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    return head.append(bytes - head.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_TRUE(Receive(request(limits_.header_bytes)));
  EXPECT_EQ(requests(), 1u);
  for (const size_t step : {1u, 100u, 10'000u}) {
    Open();
    const std::string bytes = request(2 * limits_.header_bytes + 1);
    bool alive = true;
    for (size_t i = 0; alive && i < bytes.size(); i += step) alive = Receive(bytes.substr(i, step));
    EXPECT_FALSE(alive);
    EXPECT_EQ(Sent(), "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n" +
                          std::string(kEmpty));
    EXPECT_TRUE(session_->Done());
    EXPECT_EQ(requests(), 0u);
  }
  EXPECT_EQ(ledger_.refused(EdgeCause::kHead), 3u);
  EXPECT_EQ(ledger_.refused(EdgeCause::kProtocol), 0u);
}

TEST_F(Http1SessionTest, LimitsWhatStandsBetweenChunks) {
  EXPECT_TRUE(Receive("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
  EXPECT_FALSE(Receive("1;" + std::string(limits_.header_bytes, 'x')));
  EXPECT_TRUE(last().closed);
  EXPECT_EQ(ledger_.refused(EdgeCause::kHead), 1u);
}

TEST_F(Http1SessionTest, RefusesWhatIsNotHttp) {
  for (const std::string bytes :
       {"nonsense\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET /\r\n\r\n", "\r\r\r\r",
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "GET / HTTP/1.1\r\nA B: c\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    Open();
    const uint64_t before = ledger_.refused(EdgeCause::kProtocol);
    EXPECT_FALSE(Receive(bytes)) << bytes;
    EXPECT_EQ(Sent(), "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n" + std::string(kEmpty));
    EXPECT_TRUE(session_->Done());
    EXPECT_EQ(ledger_.refused(EdgeCause::kProtocol), before + 1);
  }
}

TEST_F(Http1SessionTest, RefusesABodyThatIsNone) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_FALSE(Receive(head + "nonsense\r\n"));
  EXPECT_EQ(Sent().substr(0, 24), "HTTP/1.1 400 Bad Request");
  EXPECT_TRUE(last().closed);
  // Once an answer has begun, there is no place for another.
  Open();
  EXPECT_TRUE(Receive(head));
  last().Begin();
  last().Push("one");
  Sent();
  EXPECT_FALSE(Receive("nonsense\r\n"));
  EXPECT_EQ(Sent(), "");
  EXPECT_TRUE(session_->Done());
}

TEST_F(Http1SessionTest, StopsReadingWhatNobodyTakes) {
  connection_.consumes = false;
  EXPECT_TRUE(Receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"));
  size_t given = 0;
  for (; session_->WantsBytes() && given < 1'000'000; given += 50'000) {
    EXPECT_TRUE(Receive(std::string(50'000, 'x')));
  }
  EXPECT_EQ(given, 300'000u);
  EXPECT_EQ(last().body.size(), given);
  connection_.changed = false;
  last().stream->Consumed(100'000);
  EXPECT_TRUE(connection_.changed);
  EXPECT_TRUE(session_->WantsBytes());
}

TEST_F(Http1SessionTest, SaysSinceWhenAHeadIsOwed) {
  const Time begin = now_;
  EXPECT_EQ(session_->OwesSince(), begin);
  now_ += std::chrono::seconds(1);
  Receive(kGet.substr(0, 10));
  EXPECT_EQ(session_->OwesSince(), begin);
  Receive(kGet.substr(10));
  EXPECT_EQ(session_->OwesSince(), Time::max());
  last().Answer(200, "");
  EXPECT_EQ(session_->OwesSince(), Time::max());
  now_ += std::chrono::seconds(1);
  Receive(kGet.substr(0, 10));
  EXPECT_EQ(session_->OwesSince(), now_);
}

TEST_F(Http1SessionTest, DrainsAtOnceOrAfterItsRequest) {
  session_->Drain();
  EXPECT_TRUE(session_->Done());
  Open();
  Receive(kGet);
  session_->Drain();
  EXPECT_FALSE(session_->Done());
  last().Answer(200, "ok");
  EXPECT_NE(Sent().find("connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(session_->Done());
}

// Nothing more may follow what was broken off: the caller would take it for the rest of a message.
TEST_F(Http1SessionTest, SaysNothingMoreAfterAReset) {
  Receive(kGet);
  last().Begin();
  last().Push("half a mess");
  EXPECT_NE(Sent(), "");
  last().stream->Reset();
  last().End({});
  EXPECT_EQ(Sent(), "");
  EXPECT_TRUE(session_->Done());
}

TEST_F(Http1SessionTest, TellsTheHandlerWhenTheConnectionEnds) {
  Receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx");
  session_.reset();
  EXPECT_TRUE(last().closed);
  EXPECT_FALSE(last().ended);
}

}  // namespace
}  // namespace sluice::server
