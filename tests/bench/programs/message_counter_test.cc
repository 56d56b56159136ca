#include "tests/bench/programs/message_counter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace sluice::bench {
namespace {

std::vector<uint8_t> Bytes(std::string_view text) { return {text.begin(), text.end()}; }

std::string Frame(char type, const std::string& payload) {
  return std::string{0, 0, static_cast<char>(payload.size()), type, 0, 0, 0, 0, 1} + payload;
}

std::string Message(size_t size) {
  return std::string{0, 0, 0, 0, static_cast<char>(size)} + std::string(size, '\0');
}

// A preface, then frames. Three of them carry four messages in all, one of which is empty.
std::string Connection() {
  const std::string messages = Message(20) + Message(0) + Message(7) + Message(100);
  return std::string(24, 'P') + Frame(4, std::string(12, '\0')) + Frame(0, messages.substr(0, 22)) +
         Frame(8, std::string(4, '\0')) + Frame(0, messages.substr(22, 60)) +
         Frame(0, messages.substr(82));
}

TEST(MessageCounter, CountsMessagesHoweverTheyAreCut) {
  const std::vector<uint8_t> all = Bytes(Connection());
  for (size_t piece = 1; piece <= all.size(); ++piece) {
    MessageCounter counter(true);
    for (size_t at = 0; at < all.size(); at += piece) {
      counter.Feed(std::span(all).subspan(at, std::min(piece, all.size() - at)));
    }
    EXPECT_EQ(counter.messages(), 4u) << "in pieces of " << piece;
  }
}

TEST(MessageCounter, AServersDirectionHasNoPreface) {
  MessageCounter counter(false);
  counter.Feed(Bytes(Frame(4, "") + Frame(0, Message(3) + Message(3))));
  EXPECT_EQ(counter.messages(), 2u);
}

}  // namespace
}  // namespace sluice::bench
