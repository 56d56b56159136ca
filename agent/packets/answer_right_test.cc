#include "agent/packets/answer_right.h"

#include <gtest/gtest.h>

#include <optional>

namespace sluice::agent {
namespace {

TEST(AnswerRightTest, IsUsedOnce) {
  AnswerRight right = AnswerRight::OfReceived();
  AnswerRight moved = std::move(right);
  moved.Use();
  EXPECT_DEATH(moved.Use(), "answered twice");
}

TEST(AnswerRightTest, MustBeUsed) {
  EXPECT_DEATH({ AnswerRight right = AnswerRight::OfReceived(); }, "left unanswered");
  AnswerRight right = AnswerRight::OfReceived();
  EXPECT_DEATH(right = AnswerRight(), "left unanswered");
  right.Use();
}

TEST(AnswerRightTest, NoneNeedsNoUse) {
  AnswerRight none;
  EXPECT_DEATH(none.Use(), "answered twice");
}

}  // namespace
}  // namespace sluice::agent
