#include "agent/mode/mode_confirmation.h"

#include <gtest/gtest.h>

namespace sluice::agent {
namespace {

using v1::MODE_OFF;
using v1::MODE_ON;
using v1::MODE_SHADOW;

TEST(ModeConfirmationTest, AModeSetForGoodStays) {
  ModeConfirmation confirmation;
  EXPECT_EQ(confirmation.reverts_at(), std::nullopt);
  confirmation.Set(MODE_OFF, MODE_ON, std::nullopt, 100);
  EXPECT_EQ(confirmation.reverts_at(), std::nullopt);
}

TEST(ModeConfirmationTest, AModeSetOnApprovalReverts) {
  ModeConfirmation confirmation;
  confirmation.Set(MODE_SHADOW, MODE_ON, 60, 100);
  EXPECT_EQ(confirmation.reverts_at(), 160);
  EXPECT_EQ(confirmation.revert_to(), MODE_SHADOW);
}

TEST(ModeConfirmationTest, SettingItAgainForGoodConfirms) {
  ModeConfirmation confirmation;
  confirmation.Set(MODE_OFF, MODE_ON, 60, 100);
  confirmation.Set(MODE_ON, MODE_ON, std::nullopt, 120);
  EXPECT_EQ(confirmation.reverts_at(), std::nullopt);
  // What was confirmed is what the next one reverts to.
  confirmation.Set(MODE_ON, MODE_SHADOW, 60, 200);
  EXPECT_EQ(confirmation.revert_to(), MODE_ON);
}

TEST(ModeConfirmationTest, SettingItAgainOnApprovalRestartsTheClockOnly) {
  ModeConfirmation confirmation;
  confirmation.Set(MODE_OFF, MODE_ON, 60, 100);
  confirmation.Set(MODE_ON, MODE_ON, 60, 150);
  EXPECT_EQ(confirmation.reverts_at(), 210);
  EXPECT_EQ(confirmation.revert_to(), MODE_OFF);
  confirmation.Set(MODE_ON, MODE_SHADOW, 10, 160);
  EXPECT_EQ(confirmation.reverts_at(), 170);
  EXPECT_EQ(confirmation.revert_to(), MODE_OFF);
}

TEST(ModeConfirmationTest, AnotherModeForGoodEndsTheWait) {
  ModeConfirmation confirmation;
  confirmation.Set(MODE_OFF, MODE_ON, 60, 100);
  confirmation.Set(MODE_ON, MODE_SHADOW, std::nullopt, 110);
  EXPECT_EQ(confirmation.reverts_at(), std::nullopt);
}

TEST(ModeConfirmationTest, TheConfirmedModeHasNothingToRevertTo) {
  ModeConfirmation confirmation;
  confirmation.Set(MODE_ON, MODE_ON, 60, 100);
  EXPECT_EQ(confirmation.reverts_at(), std::nullopt);
  confirmation.Set(MODE_ON, MODE_OFF, 60, 100);
  confirmation.Set(MODE_OFF, MODE_ON, 60, 110);
  EXPECT_EQ(confirmation.reverts_at(), std::nullopt);
}

TEST(ModeConfirmationTest, CanBePutOff) {
  ModeConfirmation confirmation;
  confirmation.Set(MODE_OFF, MODE_ON, 60, 100);
  confirmation.Postpone(170);
  EXPECT_EQ(confirmation.reverts_at(), 170);
  EXPECT_EQ(confirmation.revert_to(), MODE_OFF);
}

}  // namespace
}  // namespace sluice::agent
