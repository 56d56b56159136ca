#include "clients/cli/format/words.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(Words, AreTheWiresInSmallLetters) {
  EXPECT_EQ(ModeWord(v1::MODE_SHADOW), "shadow");
  EXPECT_EQ(ActionWord(v1::ACTION_REQUEUE), "requeue");
  EXPECT_EQ(CauseWord(v1::CAUSE_TABLE_FULL), "table_full");
  EXPECT_EQ(NotifyWord(v1::NOTIFY_TCP_RESET), "tcp_reset");
  EXPECT_EQ(EventTypeWord(v1::EVENT_TYPE_DESTROY), "destroy");
  EXPECT_EQ(GapCauseWord(v1::GAP_CAUSE_KERNEL_OVERRUN), "kernel_overrun");
}

TEST(Words, NumbersFromTheFutureStayNumbers) {
  EXPECT_EQ(ModeWord(static_cast<v1::Mode>(99)), "99");
  EXPECT_EQ(TcpStateWord(77), "77");
  EXPECT_EQ(ProtocolWord(200), "200");
}

TEST(Words, EachIsUnderstoodAgain) {
  for (const std::string& word : ModeWords()) EXPECT_EQ(ModeWord(*ParseMode(word)), word);
  for (const std::string& word : CauseWords()) EXPECT_EQ(CauseWord(*ParseCause(word)), word);
  for (const std::string& word : ActionWords()) EXPECT_EQ(ActionWord(*ParseAction(word)), word);
  for (const std::string& word : EventTypeWords()) {
    EXPECT_EQ(EventTypeWord(*ParseEventType(word)), word);
  }
  for (const std::string& word : ProtocolWords()) {
    EXPECT_EQ(ProtocolWord(*ParseProtocol(word)), word);
  }
}

TEST(Words, ParsingIsForgivingButNotWild) {
  EXPECT_EQ(ParseCause("Table-Full"), v1::CAUSE_TABLE_FULL);
  EXPECT_EQ(ParseMode("ON"), v1::MODE_ON);
  EXPECT_EQ(ParseAction("reject"), v1::ACTION_DROP);
  EXPECT_EQ(ParseNotify("tcp-reset"), v1::NOTIFY_TCP_RESET);
  EXPECT_EQ(ParseMode("unspecified"), std::nullopt);
  EXPECT_EQ(ParseMode(""), std::nullopt);
  EXPECT_EQ(ParseCause("late"), std::nullopt);
  EXPECT_EQ(ParseProtocol("6"), 6u);
  EXPECT_EQ(ParseProtocol("256"), std::nullopt);
  EXPECT_EQ(ParseProtocol("-1"), std::nullopt);
  EXPECT_EQ(ParseProtocol(""), std::nullopt);
}

TEST(TcpWords, FlagsAndStates) {
  EXPECT_EQ(TcpFlagsWord(0x12), "SYN,ACK");
  EXPECT_EQ(TcpFlagsWord(0), "");
  EXPECT_EQ(TcpStateWord(3), "ESTABLISHED");
}

}  // namespace
}  // namespace sluice::cli
