#include "server/calls/message_parts.h"

#include <gtest/gtest.h>

#include <string>

#include "sluice/v1/decision.pb.h"

namespace sluice::server {
namespace {

using std::string_literals::operator""s;

// Whether it has exactly so many parts.
bool Has(const std::string& message, size_t parts) {
  const google::protobuf::Descriptor& type = *v1::DecideRequest::descriptor();
  return HasFewParts(message, type, parts) &&
         (parts == 0 || !HasFewParts(message, type, parts - 1));
}

bool Unreadable(const std::string& message) {
  return !HasFewParts(message, *v1::DecideRequest::descriptor(), SIZE_MAX);
}

TEST(HasFewPartsTest, CountsWhatTakesMemory) {
  EXPECT_TRUE(Has("", 0));
  v1::DecideRequest request;
  EXPECT_TRUE(Has(request.SerializeAsString(), 0));
  request.mutable_heartbeat()->set_sequence(1);
  EXPECT_TRUE(Has(request.SerializeAsString(), 1));
  request.mutable_packets()->set_batch(1);
  request.mutable_packets()->mutable_time_left()->set_seconds(1);
  EXPECT_TRUE(Has(request.SerializeAsString(), 2));
  request.mutable_packets()->add_packets()->mutable_headers()->set_source("abcd");
  request.mutable_packets()->add_packets()->set_input_interface("\xff");
  EXPECT_TRUE(Has(request.SerializeAsString(), 7));
  EXPECT_TRUE(Has(request.SerializeAsString() + request.SerializeAsString(), 14));
}

TEST(HasFewPartsTest, CountsFieldsThatAreNotKnown) {
  EXPECT_TRUE(Has("\xf8\x3f\x01\xf8\x3f\x01", 2)) << "numbers, which protobuf keeps";
  EXPECT_TRUE(Has("\xfa\x3f\x01\xff", 1));
  EXPECT_TRUE(Has("\x12\x02\x18\x01", 1)) << "a number in the packets' place";
}

TEST(HasFewPartsTest, RefusesWhatItCannotWalk) {
  EXPECT_TRUE(Unreadable("\x12\x01")) << "cut";
  EXPECT_TRUE(Unreadable("\x0b\x0c")) << "a group";
  EXPECT_TRUE(Unreadable("\x92\x80\x80\x80\x00\x00"s)) << "a tag of five bytes";
  EXPECT_TRUE(Unreadable("\x12\x02\x1a\x05")) << "within";
}

}  // namespace
}  // namespace sluice::server
