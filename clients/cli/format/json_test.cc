#include "clients/cli/format/json.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "sluice/v1/control.pb.h"
#include "sluice/v1/observe.pb.h"

namespace sluice::cli {
namespace {

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

TEST(ToJson, ShowsAddressesAsText) {
  const auto response = Parse<v1::ObserveDecisionsResponse>(R"pb(
    decision {
      time { seconds: 1800000000 nanos: 5000000 }
      family: FAMILY_IPV4
      headers {
        source: "\xc0\x00\x02\x01"
        destination: "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
        protocol: 6
        destination_port: 0
      }
      action: ACTION_DROP
      reason: "rule 3, \"line 7\""
      transaction_id: 72057594037927937
    })pb");
  EXPECT_EQ(ToJson(response, JsonFields::kPresent).value(),
            R"({"decision":{"time":"2027-01-15T08:00:00.005Z","family":"FAMILY_IPV4",)"
            R"("headers":{"source":"192.0.2.1","destination":"2001:db8::1","protocol":6,)"
            R"("destinationPort":0},"action":"ACTION_DROP","reason":"rule 3, \"line 7\"",)"
            R"("transactionId":"72057594037927937"}})");
}

TEST(ToJson, ShowsOtherBytesAsHex) {
  const auto response = Parse<v1::ObserveConnectionsResponse>(R"pb(
    flow {
      original { source: "\x01" }
      helper_info: "\x00\xff"
      labels: "\x01\x00\x00\x00"
    })pb");
  EXPECT_EQ(ToJson(response, JsonFields::kPresent).value(),
            R"({"flow":{"original":{"source":"01"},"helperInfo":"00ff","labels":"01000000"}})");
}

TEST(ToJson, ShowsZeroesWhereAsked) {
  const auto response = Parse<v1::SetModeResponse>("previous: MODE_ON");
  EXPECT_EQ(ToJson(response, JsonFields::kAll).value(),
            R"({"previous":"MODE_ON","current":"MODE_UNSPECIFIED"})");
  EXPECT_EQ(ToJson(response, JsonFields::kPresent).value(), R"({"previous":"MODE_ON"})");
}

TEST(ToJson, KeepsTheMessageAsItWas) {
  const auto prefix = Parse<v1::Prefix>(R"pb(address: "\x0a\x00\x00\x00" length: 8)pb");
  EXPECT_EQ(ToJson(prefix, JsonFields::kAll).value(), R"({"address":"10.0.0.0","length":8})");
  EXPECT_EQ(prefix.address(), std::string("\x0a\0\0\0", 4));
}

TEST(ToJson, SaysSoWhereJsonHasNoWords) {
  const auto response =
      Parse<v1::ObserveDecisionsResponse>("decision { time { seconds: -900000000000 } }");
  EXPECT_EQ(ToJson(response, JsonFields::kAll).status().code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace sluice::cli
