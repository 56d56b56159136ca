#include "tests/bench/raw_agents/raw_call.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace sluice::bench {
namespace {

// A frame of RFC 9113, on stream 1 or, for SETTINGS, on none.
std::string Frame(uint8_t type, uint8_t flags, const std::string& payload) {
  std::string frame = {static_cast<char>(payload.size() >> 16),
                       static_cast<char>(payload.size() >> 8),
                       static_cast<char>(payload.size()),
                       static_cast<char>(type),
                       static_cast<char>(flags),
                       0,
                       0,
                       0,
                       static_cast<char>(type == NGHTTP2_SETTINGS ? 0 : 1)};
  return frame + payload;
}

std::string Literal(const std::string& name, const std::string& value) {
  return std::string(1, 0) + static_cast<char>(name.size()) + name +
         static_cast<char>(value.size()) + value;
}

std::string Message(const std::string& text) {
  return std::string(4, 0) + static_cast<char>(text.size()) + text;
}

// What a server says before its first message. 0x88 is ":status: 200" in HPACK.
std::string Beginning() {
  return Frame(NGHTTP2_SETTINGS, 0, "") + Frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, "\x88");
}

std::string Trailers(const std::string& status, const std::string& message) {
  return Frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
               Literal("grpc-status", status) + Literal("grpc-message", message));
}

class RawCallTest : public testing::Test, public RawCall::Receiver {
 protected:
  RawCallTest() {
    call_.Flush(&sent_);  // Otherwise stream 1 does not exist yet.
  }
  void OnMessage(std::string_view bytes) override { messages_.emplace_back(bytes); }

  RawCall call_{"/s/m", "localhost", false, this};
  std::string sent_;
  std::vector<std::string> messages_;
};

TEST_F(RawCallTest, MessagesAreFoundHoweverTheyAreCut) {
  const std::string messages = Message("one") + Message("") + Message("three");
  for (size_t frame_size = 1; frame_size <= messages.size(); ++frame_size) {
    for (const size_t receive_size : {size_t{1}, size_t{7}, size_t{1000}}) {
      messages_.clear();
      RawCall call("/s/m", "localhost", false, this);
      call.Flush(&sent_);
      std::string bytes = Beginning();
      for (size_t at = 0; at < messages.size(); at += frame_size) {
        bytes += Frame(NGHTTP2_DATA, 0, messages.substr(at, frame_size));
      }
      for (size_t at = 0; at < bytes.size(); at += receive_size) {
        call.Receive(std::string_view(bytes).substr(at, receive_size));
      }
      EXPECT_EQ(messages_, (std::vector<std::string>{"one", "", "three"}));
      EXPECT_FALSE(call.ended()) << call.Reason();
    }
  }
}

TEST_F(RawCallTest, BeginsAsGrpcDoes) {
  nghttp2_hd_inflater* inflater = nullptr;
  nghttp2_hd_inflate_new(&inflater);
  // After the preface and the frames of the connection; its own head has nine bytes.
  size_t at = 24;
  while (sent_.at(at + 3) != NGHTTP2_HEADERS) at += 9 + static_cast<uint8_t>(sent_[at + 2]);
  std::string block = sent_.substr(at + 9, static_cast<uint8_t>(sent_[at + 2]));
  std::map<std::string, std::string> headers;
  int flags = 0;
  while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
    nghttp2_nv header = {};
    const ssize_t taken = nghttp2_hd_inflate_hd2(
        inflater, &header, &flags, reinterpret_cast<const uint8_t*>(block.data()), block.size(), 1);
    ASSERT_GE(taken, 0);
    block.erase(0, static_cast<size_t>(taken));
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0) continue;
    headers.emplace(std::string(reinterpret_cast<char*>(header.name), header.namelen),
                    std::string(reinterpret_cast<char*>(header.value), header.valuelen));
  }
  nghttp2_hd_inflate_del(inflater);
  EXPECT_EQ(headers, (std::map<std::string, std::string>{{":method", "POST"},
                                                         {":scheme", "http"},
                                                         {":path", "/s/m"},
                                                         {":authority", "localhost"},
                                                         {"content-type", "application/grpc"},
                                                         {"te", "trailers"},
                                                         {"user-agent", "sluice-server-load"}}));
}

TEST_F(RawCallTest, SendsMessagesInOneFrameUpToTheWindow) {
  EXPECT_EQ(sent_.substr(0, 24), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  sent_.clear();
  call_.outgoing()->append(Message("ab") + Message("c"));
  call_.Flush(&sent_);
  EXPECT_EQ(sent_, Frame(NGHTTP2_DATA, 0, Message("ab") + Message("c")));
  // More than the 65,535 bytes that a server allows at first.
  call_.outgoing()->append(100'000, 'x');
  sent_.clear();
  call_.Flush(&sent_);
  EXPECT_LT(sent_.size(), 66'000u);
  const size_t first = sent_.size();
  call_.Receive(Frame(NGHTTP2_SETTINGS, 0, std::string("\0\4\0\1\0\0", 6)) +
                std::string("\0\0\4\x08\0\0\0\0\0\0\1\0\0", 13));  // WINDOW_UPDATE of 65,536
  call_.Flush(&sent_);
  EXPECT_GT(sent_.size(), first);
}

TEST_F(RawCallTest, SaysHowTheCallEnded) {
  call_.Receive(Beginning() + Trailers("9", "full"));
  EXPECT_TRUE(call_.ended());
  EXPECT_EQ(call_.Reason(), "status 9: full");
}

TEST_F(RawCallTest, WhatIsNotHttp2EndsIt) {
  call_.Receive("HTTP/1.1 400 Bad Request\r\n\r\n");
  call_.Flush(&sent_);
  call_.Receive("more");
  EXPECT_TRUE(call_.ended());
  EXPECT_NE(call_.Reason(), "");
}

TEST_F(RawCallTest, ACompressedMessageEndsIt) {
  call_.Receive(Beginning() + Frame(NGHTTP2_DATA, 0, std::string("\1\0\0\0\0", 5)));
  EXPECT_TRUE(call_.ended());
  EXPECT_EQ(call_.Reason(), "it sent a message we cannot read");
}

}  // namespace
}  // namespace sluice::bench
