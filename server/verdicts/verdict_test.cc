#include "server/verdicts/verdict.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::server {
namespace {

v1::Verdict Fill(const Ruling& ruling, std::initializer_list<v1::Scope> scopes) {
  v1::Capabilities capabilities;
  for (const v1::Scope scope : scopes) capabilities.add_scopes(scope);
  v1::Verdict verdict;
  FillVerdict(7, ruling, ScopeSet(capabilities), &verdict);
  return verdict;
}

Ruling Of(v1::Action action, v1::Scope scope, std::chrono::seconds lifetime) {
  Ruling ruling{};
  ruling.action = action;
  ruling.notify = v1::NOTIFY_TCP_RESET;
  ruling.reason = "rule 1, line 1";
  ruling.scope = scope;
  ruling.lifetime = lifetime;
  return ruling;
}

TEST(FillVerdictTest, SaysHowFarARulingReaches) {
  EXPECT_EQ(Fill(Of(v1::ACTION_DROP, v1::SCOPE_SOURCE, std::chrono::seconds(60)),
                 {v1::SCOPE_PACKET, v1::SCOPE_SOURCE})
                .ShortDebugString(),
            "transaction_id: 7 action: ACTION_DROP reason: \"rule 1, line 1\" "
            "notify: NOTIFY_TCP_RESET scope: SCOPE_SOURCE lifetime { seconds: 60 }");
  EXPECT_EQ(Fill(Of(v1::ACTION_ACCEPT, v1::SCOPE_CONNECTION, std::chrono::seconds(0)),
                 {v1::SCOPE_CONNECTION})
                .ShortDebugString(),
            "transaction_id: 7 action: ACTION_ACCEPT reason: \"rule 1, line 1\" "
            "scope: SCOPE_CONNECTION");
}

TEST(FillVerdictTest, LeavesOutAScopeTheAgentCannotEnforce) {
  const std::string packet_only =
      "transaction_id: 7 action: ACTION_ACCEPT reason: \"rule 1, line 1\"";
  EXPECT_EQ(Fill(Of(v1::ACTION_ACCEPT, v1::SCOPE_PEER, std::chrono::seconds(9)),
                 {v1::SCOPE_PACKET, v1::SCOPE_CONNECTION, static_cast<v1::Scope>(77)})
                .ShortDebugString(),
            packet_only);
  EXPECT_EQ(
      Fill(Of(v1::ACTION_ACCEPT, v1::SCOPE_PACKET, std::chrono::seconds(0)), {v1::SCOPE_PACKET})
          .ShortDebugString(),
      packet_only);
}

TEST(DeferredReasonTest, SaysWhoAndKeepsWhatTheWirePromises) {
  EXPECT_EQ(DeferredReason("by screen", ""), "by screen");
  EXPECT_EQ(DeferredReason("by screen", "known"), "by screen: known");
  // 253 bytes, then two characters of two bytes each: the last whole one ends at 255.
  const std::string long_reason = std::string(253 - 11, 'x') + "éé";
  EXPECT_EQ(DeferredReason("by screen", long_reason), "by screen: " + std::string(242, 'x') + "é");
  EXPECT_EQ(DeferredReason("by screen", std::string(300, 'x')).size(), 256u);
}

}  // namespace
}  // namespace sluice::server
