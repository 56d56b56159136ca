#include "server/edge/grpc_headers.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "sluice/v1/status.pb.h"

namespace sluice::server {
namespace {

using std::chrono::nanoseconds;

TEST(ParseTimeoutTest, KnowsEveryUnit) {
  const std::vector<std::pair<std::string, std::optional<nanoseconds>>> cases = {
      {"1H", std::chrono::hours(1)},
      {"2M", std::chrono::minutes(2)},
      {"3S", std::chrono::seconds(3)},
      {"4m", std::chrono::milliseconds(4)},
      {"5u", std::chrono::microseconds(5)},
      {"6n", nanoseconds(6)},
      {"0n", nanoseconds(0)},
      {"007S", std::chrono::seconds(7)},
      {"99999999M", std::chrono::minutes(99'999'999)},
      {"99999999S", std::chrono::seconds(99'999'999)},
      {"8760H", std::chrono::hours(8760)},
      {"8761H", std::chrono::hours(8760)},
      {"99999999H", std::chrono::hours(8760)},
      {"", std::nullopt},
      {"S", std::nullopt},
      {"1", std::nullopt},
      {"1s", std::nullopt},
      {"1h", std::nullopt},
      {"-1S", std::nullopt},
      {"+1S", std::nullopt},
      {" 1S", std::nullopt},
      {"1 S", std::nullopt},
      {"1S ", std::nullopt},
      {"1.5S", std::nullopt},
      {"1:S", std::nullopt},
      {"1/S", std::nullopt},
      {"100000000n", std::nullopt},
      {std::string("1\0S", 3), std::nullopt},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(ParseTimeout(text), expected) << text;
}

TEST(WireOfTest, TakesProtobufOnly) {
  for (const char* type :
       {"application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"}) {
    EXPECT_EQ(WireOf(type), GrpcWire::kGrpc) << type;
  }
  for (const char* type :
       {"application/grpc-web", "application/grpc-web+proto", "application/grpc-web+proto;x=y"}) {
    EXPECT_EQ(WireOf(type), GrpcWire::kGrpcWeb) << type;
  }
  for (const char* type :
       {"", "text/html", "application/json", "application/grpc+json", "application/grpcx",
        "application/grpc-web-text", "application/grpc-web-text+proto", "application/grp"}) {
    EXPECT_EQ(WireOf(type), std::nullopt) << type;
  }
}

TEST(FindTest, GivesTheFirstFieldOfThatName) {
  const Headers headers = {{"a", "1"}, {"b", "2"}, {"b", "3"}};
  EXPECT_EQ(Find(headers, "b"), "2");
  EXPECT_EQ(Find(headers, "B"), "");
  EXPECT_EQ(Find({}, "b"), "");
}

TEST(StatusFieldsTest, SayNothingButSuccess) {
  EXPECT_EQ(StatusFields(absl::OkStatus()), (Headers{{"grpc-status", "0"}}));
  EXPECT_EQ(StatusFields(absl::NotFoundError("")), (Headers{{"grpc-status", "5"}}));
}

TEST(StatusFieldsTest, EncodeWhatIsNotPrintable) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"no such gateway", "no such gateway"},
      {"100%", "100%25"},
      {"a\r\nb", "a%0D%0Ab"},
      {"\t\x7f~ ", "%09%7F~ "},
      {"müde", "m%C3%BCde"},
      {std::string("\0\xff", 2), "%00%FF"},
  };
  for (const auto& [text, encoded] : cases) {
    EXPECT_EQ(Find(StatusFields(absl::InternalError(text)), "grpc-message"), encoded);
  }
}

TEST(StatusFieldsTest, CarryDetailsInBase64WithoutPadding) {
  // One byte more each time, so that each number of padding bytes comes up.
  for (size_t length = 0; length < 6; ++length) {
    absl::Status status = absl::DataLossError("lost %");
    const std::string value(length, '\xfb');
    status.SetPayload("type.googleapis.com/sluice.v1.SystemError", absl::Cord(value));
    const Headers fields = StatusFields(status);
    ASSERT_EQ(fields.size(), 3u);
    EXPECT_EQ(Find(fields, "grpc-status"), "15");
    EXPECT_EQ(Find(fields, "grpc-message"), "lost %25");
    const std::string encoded(Find(fields, "grpc-status-details-bin"));
    EXPECT_EQ(encoded.find_first_of("=-_"), std::string::npos) << encoded;
    std::string decoded;
    ASSERT_TRUE(absl::Base64Unescape(encoded, &decoded)) << encoded;
    v1::StatusDetails details;
    ASSERT_TRUE(details.ParseFromString(decoded));
    EXPECT_EQ(details.code(), 15);
    EXPECT_EQ(details.message(), "lost %");  // Not encoded: protobuf's strings need none.
    ASSERT_EQ(details.details_size(), 1);
    EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/sluice.v1.SystemError");
    EXPECT_EQ(details.details(0).value(), value);
  }
}

TEST(WebTrailersTest, AreLines) {
  EXPECT_EQ(WebTrailers({{"grpc-status", "3"}, {"grpc-message", "what"}}),
            "grpc-status: 3\r\ngrpc-message: what\r\n");
  EXPECT_EQ(WebTrailers({}), "");
}

}  // namespace
}  // namespace sluice::server
