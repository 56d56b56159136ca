#include "server/edge/message_reader.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::server {
namespace {

std::string Framed(std::string_view message, uint8_t first = 0) {
  std::string bytes(kMessagePrefix, '\0');
  WriteMessagePrefix(first, message.size(), bytes.data());
  return bytes.append(message);
}

// Takes whole bytes apart: what MessageReader must find however they arrive.
std::vector<std::string> Naive(std::string_view bytes) {
  std::vector<std::string> messages;
  while (bytes.size() >= kMessagePrefix) {
    size_t length = 0;
    for (size_t i = 1; i < kMessagePrefix; ++i)
      length = length * 256 + static_cast<uint8_t>(bytes[i]);
    if (bytes.size() - kMessagePrefix < length) break;
    messages.emplace_back(bytes.substr(kMessagePrefix, length));
    bytes.remove_prefix(kMessagePrefix + length);
  }
  return messages;
}

// Takes up to `most` messages.
void Take(MessageReader* reader, size_t most, std::vector<std::string>* messages) {
  for (size_t i = 0; i < most; ++i) {
    const bool has_next = reader->HasNext();
    const MessageReader::Result next = reader->Next();
    ASSERT_TRUE(next.status.ok()) << next.status;
    EXPECT_EQ(has_next, next.message.has_value());
    if (!next.message) return;
    messages->emplace_back(*next.message);
  }
}

TEST(WriteMessagePrefixTest, IsBigEndian) {
  char prefix[kMessagePrefix];
  WriteMessagePrefix(0x80, 0x01020304, prefix);
  EXPECT_EQ(std::string(prefix, sizeof prefix), "\x80\x01\x02\x03\x04");
}

TEST(MessageReaderTest, FindsTheSameHoweverBytesAreSplit) {
  const std::string bytes = Framed("") + Framed("xy") + Framed("z");
  std::vector<std::vector<std::string>> expected;  // After so many bytes.
  for (size_t i = 0; i <= bytes.size(); ++i) {
    expected.push_back(Naive(std::string_view(bytes).substr(0, i)));
  }
  ASSERT_EQ(expected.back(), (std::vector<std::string>{"", "xy", "z"}));
  // Each bit is a place between two bytes: is there a split?
  for (uint32_t splits = 0; splits < 1u << (bytes.size() - 1); ++splits) {
    MessageReader reader(2);
    std::vector<std::string> messages;
    size_t begin = 0;
    for (size_t end = 1; end <= bytes.size(); ++end) {
      if (end < bytes.size() && (splits >> (end - 1) & 1) == 0) continue;
      reader.Append(std::string_view(bytes).substr(begin, end - begin));
      begin = end;
      Take(&reader, 4, &messages);
      ASSERT_EQ(messages, expected[end]) << "splits " << splits << ", after " << end << " bytes";
      size_t taken = 0;
      for (const std::string& message : messages) taken += kMessagePrefix + message.size();
      ASSERT_EQ(reader.size(), end - taken);
    }
  }
}

// Messages of very different sizes, which are taken more slowly than they arrive.
TEST(MessageReaderTest, KeepsWhatIsNotTakenYet) {
  std::vector<std::string> whole;
  std::string bytes;
  for (size_t i = 0; i < 60; ++i) {
    whole.emplace_back(i % 7 == 0 ? i * 997 : i, static_cast<char>('a' + i % 26));
    bytes += Framed(whole.back());
  }
  for (const size_t step : {1u, 7u, 100u, 4096u, 70'000u}) {
    for (const size_t at_once : {1u, 2u, 1000u}) {
      MessageReader reader(100'000);
      std::vector<std::string> messages;
      for (size_t begin = 0; begin < bytes.size(); begin += step) {
        reader.Append(std::string_view(bytes).substr(begin, step));
        Take(&reader, at_once, &messages);
      }
      Take(&reader, whole.size(), &messages);
      ASSERT_EQ(messages, whole) << step << " bytes at once, " << at_once << " messages";
      EXPECT_EQ(reader.size(), 0u);
    }
  }
}

TEST(MessageReaderTest, TakesTheLargestMessageAndNoLarger) {
  MessageReader reader(300);
  reader.Append(Framed(std::string(300, 'm')));
  EXPECT_EQ(reader.Next().message, std::string(300, 'm'));
  // Refused as soon as its size is known.
  reader.Append(Framed(std::string(301, 'm')).substr(0, kMessagePrefix - 1));
  EXPECT_TRUE(reader.Next().status.ok());
  reader.Append("\x2d");
  EXPECT_EQ(reader.Next().status.code(), absl::StatusCode::kResourceExhausted);
  reader.Append(std::string(400, 'm'));
  EXPECT_EQ(reader.Next().status.code(), absl::StatusCode::kResourceExhausted);
}

TEST(MessageReaderTest, RefusesTheLargestSizeThereIs) {
  MessageReader reader(0xfffffffe);
  reader.Append(std::string("\0\xff\xff\xff\xff", 5));
  EXPECT_EQ(reader.Next().status.code(), absl::StatusCode::kResourceExhausted);
}

TEST(MessageReaderTest, RefusesWhatIsCompressed) {
  MessageReader reader(300);
  reader.Append(Framed("plain") + Framed("packed", 1));
  EXPECT_EQ(reader.Next().message, "plain");
  EXPECT_EQ(reader.Next().status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(reader.Next().status.code(), absl::StatusCode::kInternal);
}

// By the first byte: nobody waits for the other four.
TEST(MessageReaderTest, RefusesAnyOtherFirstByte) {
  for (int first = 2; first < 256; ++first) {
    MessageReader reader(300);
    reader.Append(std::string(1, static_cast<char>(first)));
    EXPECT_EQ(reader.Next().status.code(), absl::StatusCode::kInvalidArgument) << first;
  }
}

}  // namespace
}  // namespace sluice::server
