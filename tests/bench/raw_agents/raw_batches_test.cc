#include "tests/bench/raw_agents/raw_batches.h"

#include <gtest/gtest.h>

#include "clients/loadgen/prepared_batches.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::bench {
namespace {

// Takes the first gRPC message off `bytes`.
v1::DecideRequest TakeMessage(std::string* bytes) {
  v1::DecideRequest request;
  EXPECT_GE(bytes->size(), 5u);
  EXPECT_EQ(bytes->at(0), 0);
  size_t length = 0;
  for (size_t i = 1; i < 5; ++i) length = length << 8 | static_cast<uint8_t>(bytes->at(i));
  EXPECT_LE(5 + length, bytes->size());
  EXPECT_TRUE(request.ParseFromString(bytes->substr(5, length)));
  bytes->erase(0, 5 + length);
  return request;
}

TEST(RawBatchesTest, AreThoseOfLoadgen) {
  for (const uint32_t batch : {1u, 8u, 1024u}) {
    RawBatches raw(batch);
    loadgen::PreparedBatches prepared(batch);
    std::string bytes;
    uint64_t id = RawBatches::kFirstId;
    // Around the numbers at which their length changes.
    for (const uint64_t number : {1u, 127u, 128u, 16'383u, 16'384u, 4'000'000u}) {
      raw.Append(number, id, &bytes);
      v1::DecideRequest expected = prepared.Next(number, id);
      v1::DecideRequest found = TakeMessage(&bytes);
      EXPECT_TRUE(bytes.empty());
      ASSERT_EQ(found.packets().packets_size(), static_cast<int>(batch));
      for (v1::DecideRequest* const request : {&expected, &found}) {
        for (v1::Packet& packet : *request->mutable_packets()->mutable_packets()) {
          packet.clear_arrival_time_ns();  // When it was made.
        }
      }
      EXPECT_EQ(found.SerializeAsString(), expected.SerializeAsString());
      id += batch;
    }
  }
}

TEST(RawBatchesTest, IdsFitUpToTheLast) {
  RawBatches raw(2);
  std::string bytes;
  raw.Append(1, RawBatches::kEndOfIds - 2, &bytes);
  const v1::DecideRequest found = TakeMessage(&bytes);
  EXPECT_EQ(found.packets().packets(1).transaction_id(), RawBatches::kEndOfIds - 1);
}

TEST(RawBatchesTest, AMessageFollowsItsLength) {
  std::string bytes = "before";
  AppendGrpcMessage("abc", &bytes);
  EXPECT_EQ(bytes, std::string("before\0\0\0\0\3abc", 14));
}

}  // namespace
}  // namespace sluice::bench
