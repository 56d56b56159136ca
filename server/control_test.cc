// ControlService's calls about policies; serve_test has those about gateways.

#include "server/server_fixture.h"

namespace sluice::server {
namespace {

using grpc::StatusCode;

class ControlTest : public ServerFixture {
 protected:
  void SetUp() override {
    Start();
    control_ = Control();
  }

  std::unique_ptr<v1::ControlService::Stub> control_;
};

TEST_F(ControlTest, ChecksAPolicyAndChangesNothing) {
  v1::CheckPolicyRequest request;
  v1::CheckPolicyResponse response;
  request.mutable_policy()->set_text("between any and any tcp port 80 accept;\n");
  ASSERT_TRUE(control_->CheckPolicy(Context().get(), request, &response).ok());
  EXPECT_EQ(response.problems_size(), 0);
  EXPECT_EQ(response.rules(), 2u);
  request.mutable_policy()->set_text("# fine\n  from any to perhaps;");
  ASSERT_TRUE(control_->CheckPolicy(Context().get(), request, &response).ok());
  ASSERT_GT(response.problems_size(), 0);
  EXPECT_EQ(response.problems(0).line(), 2u);
  EXPECT_GT(response.problems(0).column(), 1u);
  EXPECT_EQ(response.rules(), 0u);
  EXPECT_EQ(policies_->Current()->version, 1u);
}

TEST_F(ControlTest, AppliesAPolicyAndReturnsTheOldOne) {
  v1::ApplyPolicyRequest request;
  request.mutable_policy()->set_text("default accept;");
  request.mutable_policy()->set_source("a file");
  v1::ApplyPolicyResponse response;
  ASSERT_TRUE(control_->ApplyPolicy(Context().get(), request, &response).ok());
  EXPECT_EQ(response.previous().version(), 1u);
  EXPECT_EQ(response.previous().text(), "default reject;");
  EXPECT_EQ(response.current().version(), 2u);
  EXPECT_EQ(response.current().source(), "a file");
  EXPECT_GT(response.current().applied().seconds(), 0);
  v1::GetPolicyResponse now;
  ASSERT_TRUE(control_->GetPolicy(Context().get(), {}, &now).ok());
  EXPECT_EQ(now.policy().SerializeAsString(), response.current().SerializeAsString());
}

TEST_F(ControlTest, AWrongPolicyLeavesTheOldOne) {
  v1::ApplyPolicyRequest request;
  for (int i = 0; i < 1000; ++i)
    request.mutable_policy()->mutable_text()->append("from nobody to nobody accept;\n");
  v1::ApplyPolicyResponse response;
  const grpc::Status status = control_->ApplyPolicy(Context().get(), request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message().substr(0, 4), "1:6:");
  EXPECT_NE(status.error_message().find("more problems"), std::string::npos);
  EXPECT_EQ(policies_->Current()->version, 1u);
}

TEST_F(ControlTest, WarnsOfWhatAConnectedGatewayCannotEnforce) {
  const auto stream = Decide("gw7");
  v1::CheckPolicyRequest check;
  check.mutable_policy()->set_text("from any to any accept for connection;\ndefault reject;\n");
  v1::CheckPolicyResponse checked;
  ASSERT_TRUE(control_->CheckPolicy(Context().get(), check, &checked).ok());
  ASSERT_EQ(checked.warnings_size(), 1);
  EXPECT_EQ(checked.warnings(0).message().substr(0, 41),
            "gw7's agent cannot remember connections: ");
  v1::ApplyPolicyRequest apply;
  *apply.mutable_policy() = check.policy();
  v1::ApplyPolicyResponse applied;
  ASSERT_TRUE(control_->ApplyPolicy(Context().get(), apply, &applied).ok());
  ASSERT_EQ(applied.warnings_size(), 1);
  EXPECT_EQ(applied.warnings(0).line(), 1u);
}

TEST_F(ControlTest, ListsNobodyAtFirst) {
  v1::ListGatewaysResponse list;
  ASSERT_TRUE(control_->ListGateways(Context().get(), {}, &list).ok());
  EXPECT_EQ(list.gateways_size(), 0);
}

}  // namespace
}  // namespace sluice::server
