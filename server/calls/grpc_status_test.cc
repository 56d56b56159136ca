#include "server/calls/grpc_status.h"

#include <gtest/gtest.h>

#include "absl/strings/cord.h"
#include "sluice/v1/command.pb.h"
#include "sluice/v1/status.pb.h"

namespace sluice::server {
namespace {

TEST(GrpcStatusTest, SuccessIsSuccess) {
  const grpc::Status status = ToGrpc(absl::OkStatus());
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.error_message(), "");
  EXPECT_EQ(status.error_details(), "");
}

TEST(GrpcStatusTest, CodesAreNumberedAlike) {
  const struct {
    absl::StatusCode code;
    grpc::StatusCode expected;
  } cases[] = {
      {absl::StatusCode::kCancelled, grpc::StatusCode::CANCELLED},
      {absl::StatusCode::kUnknown, grpc::StatusCode::UNKNOWN},
      {absl::StatusCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT},
      {absl::StatusCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED},
      {absl::StatusCode::kNotFound, grpc::StatusCode::NOT_FOUND},
      {absl::StatusCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS},
      {absl::StatusCode::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED},
      {absl::StatusCode::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED},
      {absl::StatusCode::kFailedPrecondition, grpc::StatusCode::FAILED_PRECONDITION},
      {absl::StatusCode::kAborted, grpc::StatusCode::ABORTED},
      {absl::StatusCode::kOutOfRange, grpc::StatusCode::OUT_OF_RANGE},
      {absl::StatusCode::kUnimplemented, grpc::StatusCode::UNIMPLEMENTED},
      {absl::StatusCode::kInternal, grpc::StatusCode::INTERNAL},
      {absl::StatusCode::kUnavailable, grpc::StatusCode::UNAVAILABLE},
      {absl::StatusCode::kDataLoss, grpc::StatusCode::DATA_LOSS},
      {absl::StatusCode::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED},
  };
  for (const auto& c : cases) {
    const grpc::Status status = ToGrpc(absl::Status(c.code, "because"));
    EXPECT_EQ(status.error_code(), c.expected) << absl::StatusCodeToString(c.code);
    EXPECT_EQ(status.error_message(), "because");
    EXPECT_EQ(status.error_details(), "");
  }
}

TEST(GrpcStatusTest, APayloadIsADetail) {
  v1::SystemError system;
  system.set_number(1);
  system.set_name("EPERM");
  absl::Status refused = absl::PermissionDeniedError("the kernel refused");
  refused.SetPayload("type.googleapis.com/sluice.v1.SystemError",
                     absl::Cord(system.SerializeAsString()));
  const grpc::Status status = ToGrpc(refused);
  v1::StatusDetails details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(details.message(), "the kernel refused");
  ASSERT_EQ(details.details_size(), 1);
  v1::SystemError unpacked;
  ASSERT_TRUE(details.details(0).UnpackTo(&unpacked));
  EXPECT_EQ(unpacked.name(), "EPERM");
}

}  // namespace
}  // namespace sluice::server
