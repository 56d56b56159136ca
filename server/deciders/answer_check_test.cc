#include "server/deciders/answer_check.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

namespace sluice::server {
namespace {

v1::Verdict Verdict(const std::string& text) {
  v1::Verdict verdict;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &verdict)) << text;
  return verdict;
}

struct Case {
  const char* verdict;
  const char* objection;  // Part of it; empty for none.
};

// The hello of an agent that can do everything except requeue and send TCP resets.
v1::DecideHello Hello() {
  v1::DecideHello hello;
  hello.mutable_hold_limit()->set_seconds(5);
  v1::Capabilities& able = *hello.mutable_capabilities();
  for (const v1::Action action :
       {v1::ACTION_ACCEPT, v1::ACTION_DROP, v1::ACTION_REPEAT, v1::ACTION_HOLD}) {
    able.add_actions(action);
  }
  able.add_notifies(v1::NOTIFY_HOST_UNREACHABLE);
  able.set_rewrite(true);
  return hello;
}

v1::Packet Packet(size_t copied, uint32_t length, bool gso = false) {
  v1::Packet packet;
  packet.set_payload(std::string(copied, 'p'));
  packet.set_original_length(length);
  packet.set_gso(gso);
  return packet;
}

void Check(const Case& test, const v1::Packet& packet, const v1::DecideHello& hello) {
  SCOPED_TRACE(test.verdict);
  const std::string objection(Objection(Verdict(test.verdict), packet, hello));
  if (std::string(test.objection).empty()) {
    EXPECT_EQ(objection, "");
  } else {
    EXPECT_NE(objection.find(test.objection), std::string::npos) << objection;
  }
}

TEST(ObjectionTest, IsAboutWhatTheGatewayCannotDo) {
  for (const Case& test : {
           Case{"action: ACTION_ACCEPT", ""},
           Case{"action: ACTION_ACCEPT notify: NOTIFY_TCP_RESET", ""},
           Case{"", ""},
           Case{"action: ACTION_DROP", ""},
           Case{"action: ACTION_DROP notify: NOTIFY_HOST_UNREACHABLE", ""},
           Case{"action: ACTION_DROP notify: NOTIFY_TCP_RESET", "cannot send that notice"},
           Case{"notify: NOTIFY_TCP_RESET", "cannot send that notice"},
           Case{"action: ACTION_REPEAT", ""},
           Case{"action: ACTION_REQUEUE requeue_to: 5", "cannot carry out that action"},
           Case{"action: ACTION_HOLD hold_for { nanos: 1 }", ""},
           Case{"action: ACTION_HOLD", "more than 0"},
           Case{"action: ACTION_HOLD hold_for { seconds: -1 }", "more than 0"},
           Case{"action: ACTION_ACCEPT payload: 'x'", ""},
           Case{"action: ACTION_REPEAT payload: 'x'", ""},
           Case{"action: ACTION_ACCEPT scope: SCOPE_CONNECTION", ""},
       }) {
    Check(test, Packet(8, 8), Hello());
  }
  v1::Verdict odd;
  odd.set_action(static_cast<v1::Action>(77));
  EXPECT_FALSE(Objection(odd, Packet(8, 8), Hello()).empty());
  odd.set_action(v1::ACTION_DROP);
  odd.set_notify(static_cast<v1::Notify>(77));
  EXPECT_FALSE(Objection(odd, Packet(8, 8), Hello()).empty());
}

TEST(ObjectionTest, APayloadReplacesOnlyWhatWasCopiedWhole) {
  const char* const accept = "action: ACTION_ACCEPT payload: 'x'";
  Check({accept, "not copied whole"}, Packet(8, 9), Hello());
  Check({accept, "not copied whole"}, Packet(0, 0), Hello());
  Check({accept, "several segments"}, Packet(8, 8, /*gso=*/true), Hello());
  // It is ignored when the packet is dropped.
  Check({"action: ACTION_DROP payload: 'x'", ""}, Packet(8, 9), Hello());
  v1::DecideHello unable = Hello();
  unable.mutable_capabilities()->set_rewrite(false);
  Check({accept, "cannot replace"}, Packet(8, 8), unable);
  v1::Verdict large = Verdict("action: ACTION_ACCEPT");
  large.set_payload(std::string(65'531, 'x'));
  EXPECT_TRUE(Objection(large, Packet(8, 8), Hello()).empty());
  large.set_payload(std::string(65'532, 'x'));
  EXPECT_FALSE(Objection(large, Packet(8, 8), Hello()).empty());
}

TEST(ObjectionTest, AGatewayThatDoesNotSayWhatItCanDoIsTrusted) {
  v1::DecideHello hello;
  Check({"action: ACTION_REQUEUE requeue_to: 65535", ""}, Packet(8, 8), hello);
  Check({"action: ACTION_REQUEUE requeue_to: 65536", "up to 65535"}, Packet(8, 8), hello);
  Check({"action: ACTION_DROP notify: NOTIFY_TCP_RESET", ""}, Packet(8, 8), hello);
  Check({"action: ACTION_HOLD hold_for { seconds: 1 }", "holds no packets"}, Packet(8, 8), hello);
}

TEST(TidyTest, LeavesOutWhatMeansNothing) {
  for (const auto& [given, kept] : std::vector<std::pair<std::string, std::string>>{
           {"action: ACTION_DROP payload: \"x\" scope: SCOPE_SOURCE lifetime { seconds: 9 }",
            "action: ACTION_DROP scope: SCOPE_SOURCE lifetime { seconds: 9 }"},
           {"payload: \"x\" scope: SCOPE_PEER", "scope: SCOPE_PEER"},
           {"action: ACTION_HOLD payload: \"x\" scope: SCOPE_PEER hold_for { seconds: 1 }",
            "action: ACTION_HOLD hold_for { seconds: 1 }"},
           {"action: ACTION_ACCEPT payload: \"x\" scope: 77 lifetime { seconds: 9 }",
            "action: ACTION_ACCEPT payload: \"x\""},
           {"action: ACTION_REQUEUE scope: SCOPE_PEER requeue_to: 3",
            "action: ACTION_REQUEUE requeue_to: 3"},
       }) {
    v1::Verdict verdict = Verdict(given);
    Tidy(&verdict);
    EXPECT_EQ(verdict.ShortDebugString(), kept);
  }
}

}  // namespace
}  // namespace sluice::server
