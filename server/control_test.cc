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

  static v1::ApplyPolicyRequest Applying(const std::string& text) {
    v1::ApplyPolicyRequest request;
    request.mutable_policy()->set_text(text);
    return request;
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

TEST_F(ControlTest, SaysWhatTheServerCosts) {
  const auto stream = Decide("gw7");
  v1::GetServerResponse usage;
  ASSERT_TRUE(control_->GetServer(Context().get(), {}, &usage).ok());
  EXPECT_GT(usage.resident_bytes(), 0u);
  EXPECT_EQ(usage.decide_streams(), 1u);
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
  v1::GetPolicyRequest earlier;
  earlier.set_version(1);
  ASSERT_TRUE(control_->GetPolicy(Context().get(), earlier, &now).ok());
  EXPECT_EQ(now.policy().text(), "default reject;");
  earlier.set_version(7);
  EXPECT_EQ(control_->GetPolicy(Context().get(), earlier, &now).error_code(),
            StatusCode::NOT_FOUND);
}

TEST_F(ControlTest, ListsVersionsAndGoesBackToThem) {
  v1::ApplyPolicyRequest request = Applying("default accept;");
  request.set_author("me@here");
  v1::ApplyPolicyResponse applied;
  ASSERT_TRUE(control_->ApplyPolicy(Context().get(), request, &applied).ok());
  v1::RollbackPolicyRequest back;
  back.set_if_version(1);
  v1::RollbackPolicyResponse rolled;
  EXPECT_EQ(control_->RollbackPolicy(Context().get(), back, &rolled).error_code(),
            StatusCode::ABORTED);
  back.set_if_version(2);
  ASSERT_TRUE(control_->RollbackPolicy(Context().get(), back, &rolled).ok());
  EXPECT_EQ(rolled.previous().version(), 2u);
  EXPECT_EQ(rolled.current().version(), 3u);
  EXPECT_EQ(rolled.current().text(), "default reject;");
  EXPECT_EQ(rolled.restored_version(), 1u);
  v1::ListPoliciesResponse list;
  ASSERT_TRUE(control_->ListPolicies(Context().get(), {}, &list).ok());
  ASSERT_EQ(list.policies_size(), 4);
  EXPECT_EQ(list.policies(0).version(), 3u);
  EXPECT_EQ(list.policies(1).author(), "me@here");
  EXPECT_EQ(list.policies(1).text(), "");
  EXPECT_FALSE(list.policies(1).has_reverts_in());
}

TEST_F(ControlTest, APolicyThatNobodyConfirmsIsReverted) {
  v1::ApplyPolicyRequest request = Applying("default accept;");
  request.mutable_confirm_within()->set_nanos(1'000'000);
  v1::ApplyPolicyResponse applied;
  ASSERT_TRUE(control_->ApplyPolicy(Context().get(), request, &applied).ok());
  EXPECT_TRUE(applied.current().has_reverts_in());
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (policies_->Current()->version < 3 && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  EXPECT_EQ(policies_->Current()->text.text(), "default reject;");
  EXPECT_EQ(policies_->Current()->author, "sluice-server");
  // A rollback does not bring it back either.
  v1::RollbackPolicyResponse rolled;
  ASSERT_TRUE(control_->RollbackPolicy(Context().get(), {}, &rolled).ok());
  EXPECT_EQ(rolled.restored_version(), 1u);
  EXPECT_EQ(rolled.current().text(), "default reject;");
  v1::ListPoliciesResponse list;
  ASSERT_TRUE(control_->ListPolicies(Context().get(), {}, &list).ok());
  EXPECT_TRUE(list.policies(2).unconfirmed());
  EXPECT_FALSE(list.policies(1).unconfirmed());
}

TEST_F(ControlTest, APolicyThatIsConfirmedStays) {
  v1::ApplyPolicyRequest request = Applying("default accept;");
  request.mutable_confirm_within()->set_seconds(3600);
  v1::ApplyPolicyResponse applied;
  ASSERT_TRUE(control_->ApplyPolicy(Context().get(), request, &applied).ok());
  v1::ListPoliciesResponse list;
  ASSERT_TRUE(control_->ListPolicies(Context().get(), {}, &list).ok());
  EXPECT_GT(list.policies(0).reverts_in().seconds(), 3000);
  v1::ConfirmPolicyRequest confirm;
  v1::ConfirmPolicyResponse confirmed;
  confirm.set_version(1);
  EXPECT_EQ(control_->ConfirmPolicy(Context().get(), confirm, &confirmed).error_code(),
            StatusCode::ABORTED);
  confirm.set_version(2);
  ASSERT_TRUE(control_->ConfirmPolicy(Context().get(), confirm, &confirmed).ok());
  EXPECT_FALSE(confirmed.current().has_reverts_in());
  EXPECT_EQ(confirmed.current().text(), "");
  EXPECT_EQ(control_->ConfirmPolicy(Context().get(), confirm, &confirmed).error_code(),
            StatusCode::FAILED_PRECONDITION);
  for (const int64_t seconds : {int64_t{-1}, int64_t{86401}, INT64_MIN, INT64_MAX}) {
    request.mutable_confirm_within()->set_seconds(seconds);
    EXPECT_EQ(control_->ApplyPolicy(Context().get(), request, &applied).error_code(),
              StatusCode::INVALID_ARGUMENT);
  }
}

// A policy as large as the language allows is sent, and comes back twice in one answer.
TEST_F(ControlTest, AppliesPoliciesOfTheLargestSize) {
  const std::string comment(RuleSet::kLargestText - 100, '#');
  v1::ApplyPolicyResponse applied;
  for (const char* action : {"accept", "reject"}) {
    const v1::ApplyPolicyRequest request =
        Applying(comment + "\ndefault " + std::string(action) + ";");
    const grpc::Status status = control_->ApplyPolicy(Context().get(), request, &applied);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  EXPECT_EQ(applied.previous().text().size(), comment.size() + 16);
  EXPECT_EQ(applied.current().text().size(), comment.size() + 16);
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

TEST_F(ControlTest, TriesAPolicyOnLivePackets) {
  v1::TryPolicyRequest request;
  request.mutable_policy()->set_text("default accept;");
  const auto context = Context();
  const auto trial = control_->TryPolicy(context.get(), request);
  v1::TryPolicyResponse response;
  ASSERT_TRUE(trial->Read(&response));
  EXPECT_EQ(response.packets(), 0u);
  const auto agent = Decide("gw1");
  ASSERT_TRUE(agent->Write(Packets(1, {1, 2, 3})));
  v1::DecideResponse answer;
  ASSERT_TRUE(ReadVerdicts(*agent, &answer));
  EXPECT_EQ(answer.verdicts().verdicts(0).action(), v1::ACTION_DROP) << "it decides nothing";
  while (response.packets() < 3) ASSERT_TRUE(trial->Read(&response));
  EXPECT_EQ(response.differing(), 3u);
  ASSERT_EQ(response.differences_size(), 1);
  EXPECT_EQ(response.differences(0).gateway(), "gw1");
  EXPECT_EQ(response.differences(0).packets(), 3u);
  EXPECT_EQ(response.differences(0).example().headers().source_port(), 3u);
  ASSERT_TRUE(trial->Read(&response));
  EXPECT_EQ(response.differences_size(), 0) << "nothing new";
  context->TryCancel();
  EXPECT_EQ(trial->Finish().error_code(), StatusCode::CANCELLED);
  request.mutable_policy()->set_text("default perhaps;");
  const auto wrong = Context();
  EXPECT_EQ(control_->TryPolicy(wrong.get(), request)->Finish().error_code(),
            StatusCode::INVALID_ARGUMENT);
}

TEST_F(ControlTest, ListsNobodyAtFirst) {
  v1::ListGatewaysResponse list;
  ASSERT_TRUE(control_->ListGateways(Context().get(), {}, &list).ok());
  EXPECT_EQ(list.gateways_size(), 0);
}

}  // namespace
}  // namespace sluice::server
