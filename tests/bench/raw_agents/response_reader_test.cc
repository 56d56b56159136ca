#include "tests/bench/raw_agents/response_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "sluice/v1/decision.pb.h"

namespace sluice::bench {
namespace {

v1::DecideResponse Verdicts() {
  v1::DecideResponse response;
  v1::VerdictBatch& batch = *response.mutable_verdicts();
  batch.set_received_batch(300);
  v1::Verdict& accept = *batch.add_verdicts();
  accept.set_transaction_id(uint64_t{1} << 63);
  accept.set_action(v1::ACTION_ACCEPT);
  accept.set_reason("rule 3");
  accept.set_scope(v1::SCOPE_CONNECTION);
  accept.mutable_lifetime()->set_seconds(60);
  v1::Verdict& drop = *batch.add_verdicts();
  drop.set_transaction_id(7);
  drop.set_payload("instead");
  return response;
}

TEST(ResponseReaderTest, VerdictsWithEverythingElseSkipped) {
  std::vector<RawVerdict> verdicts = {{1, 1}};
  EXPECT_EQ(ReadResponse(Verdicts().SerializeAsString(), &verdicts), ResponseKind::kVerdicts);
  EXPECT_EQ(verdicts, (std::vector<RawVerdict>{{uint64_t{1} << 63, v1::ACTION_ACCEPT}, {7, 0}}));
}

TEST(ResponseReaderTest, KindsWithoutVerdicts) {
  v1::DecideResponse welcome, heartbeat, retune, acknowledged;
  welcome.mutable_welcome()->set_policy_label("1");
  heartbeat.mutable_heartbeat()->set_sequence(1'000'000);
  retune.mutable_retune();
  acknowledged.mutable_verdicts()->set_received_batch(2);
  const std::pair<v1::DecideResponse, ResponseKind> table[] = {
      {welcome, ResponseKind::kWelcome},
      {heartbeat, ResponseKind::kHeartbeat},
      {retune, ResponseKind::kRetune},
      {acknowledged, ResponseKind::kVerdicts},
      {v1::DecideResponse(), ResponseKind::kEmpty},
  };
  for (const auto& [response, kind] : table) {
    std::vector<RawVerdict> verdicts = {{1, 1}};
    EXPECT_EQ(ReadResponse(response.SerializeAsString(), &verdicts), kind)
        << response.ShortDebugString();
    EXPECT_TRUE(verdicts.empty());
  }
}

// Whatever is cut off or changed, protobuf and we agree on whether it can be read.
TEST(ResponseReaderTest, MalformedWhereProtobufSaysSo) {
  const std::string whole = Verdicts().SerializeAsString();
  std::vector<RawVerdict> verdicts;
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::string cut = whole.substr(0, length);
    EXPECT_EQ(ReadResponse(cut, &verdicts) != ResponseKind::kMalformed,
              v1::DecideResponse().ParseFromString(cut))
        << length;
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(0xff);
    ReadResponse(changed, &verdicts);  // Must end, and read nothing outside.
  }
}

}  // namespace
}  // namespace sluice::bench
