#pragma once

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/v1/control.grpc.pb.h"
#include "sluice/v1/observe.grpc.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::cli {

// A server's Control and Observe services on a Unix socket, for tests. A test sets the answers
// before the call and finds the requests after it. Ends every stream when it is destroyed.
class FakeServer final : public v1::ControlService::Service, public v1::ObserveService::Service {
 public:
  // Hands the test's settings to the call that follows, and the call's results to the test. gRPC
  // already orders them, in a way that ThreadSanitizer does not see.
  void HandOver() { MutexLock lock(hand_over_); }

  FakeServer() {
    char folder[] = "/tmp/sluicectl_test_XXXXXX";
    folder_ = mkdtemp(folder);
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
    builder.RegisterService(static_cast<v1::ControlService::Service*>(this));
    builder.RegisterService(static_cast<v1::ObserveService::Service*>(this));
    server_ = builder.BuildAndStart();
  }
  ~FakeServer() override {
    server_->Shutdown(std::chrono::system_clock::now());
    std::filesystem::remove_all(folder_);
  }

  std::string address() const { return "unix:" + folder_ + "/server"; }

  // If not OK, what every unary call and WatchStats fails with.
  grpc::Status failure;
  // What a Screen call sends after the welcome. It then takes verdicts until the caller closes; if
  // screen_failure is set, it ends with that at once.
  std::vector<v1::ScreenResponse> screen;
  grpc::Status screen_failure;
  bool slow_to_end = false;
  // Whether Screen echoes no heartbeats.
  bool mute = false;
  // Called with each verdict.
  std::function<void(const v1::Verdict&)> on_verdict = [](const v1::Verdict&) {};

  // What TestPolicy answers to each packet. After `answers_before_failure` of them it ends with
  // `failure`.
  v1::PolicyRuling ruling;
  uint64_t answers_before_failure = UINT64_MAX;

  // With follow: called once all entries are sent; the stream then waits for its end.
  std::function<void()> caught_up = [] {};
  // With follow: the stream ends by itself.
  bool hangs_up = false;

  v1::GetServerResponse usage;
  v1::ListGatewaysResponse gateways;
  v1::ListDecidersResponse deciders;
  v1::SetModeResponse mode;
  v1::GatewayStats stats;
  std::vector<v1::ListRememberedResponse> remembered;
  uint64_t forgotten = 0;
  // The answers of the first CheckPolicy calls, in turn; later ones answer `check`.
  std::deque<v1::CheckPolicyResponse> checks;
  v1::CheckPolicyResponse check;
  v1::ApplyPolicyResponse apply;
  v1::GetPolicyResponse policy;
  v1::ExplainPolicyResponse explain;
  std::map<uint64_t, v1::Policy> versions;  // What GetPolicy answers for a version.
  v1::ListPoliciesResponse policies;
  v1::RollbackPolicyResponse rollback;
  v1::ConfirmPolicyResponse confirm;
  std::vector<v1::TryPolicyResponse> trial;
  std::vector<v1::ObserveDecisionsResponse> decisions;
  std::vector<v1::ObserveConnectionsResponse> connections;

  v1::SetModeRequest set_mode;
  v1::GetStatsRequest get_stats;
  v1::ListRememberedRequest list_remembered;
  v1::WatchStatsRequest watch_stats;
  v1::CheckPolicyRequest check_policy;
  v1::ApplyPolicyRequest apply_policy;
  v1::ListPoliciesRequest list_policies;
  v1::RollbackPolicyRequest rollback_policy;
  v1::ConfirmPolicyRequest confirm_policy;
  v1::TryPolicyRequest try_policy;
  v1::ScreenRequest screen_hello;
  v1::ExplainPolicyRequest explain_policy;
  std::vector<v1::TestPolicyRequest> test_policy;
  std::vector<v1::Verdict> verdicts;
  v1::ObserveDecisionsRequest observe_decisions;
  v1::ObserveConnectionsRequest observe_connections;

 private:
  using Call = grpc::ServerContext;

  // Calls HandOver at the beginning and the end of a call.
  class HandedOver final {
   public:
    explicit HandedOver(FakeServer* server) : server_(server) { server_->HandOver(); }
    ~HandedOver() { server_->HandOver(); }
    HandedOver(const HandedOver&) = delete;
    HandedOver& operator=(const HandedOver&) = delete;

   private:
    FakeServer* const server_;
  };

  grpc::Status GetServer(Call*, const v1::GetServerRequest*,
                         v1::GetServerResponse* response) override {
    const HandedOver handed_over(this);
    *response = usage;
    return failure;
  }
  grpc::Status ListGateways(Call*, const v1::ListGatewaysRequest*,
                            v1::ListGatewaysResponse* response) override {
    const HandedOver handed_over(this);
    *response = gateways;
    return grpc::Status::OK;
  }
  grpc::Status ListDeciders(Call*, const v1::ListDecidersRequest*,
                            v1::ListDecidersResponse* response) override {
    const HandedOver handed_over(this);
    *response = deciders;
    return failure;
  }
  grpc::Status SetMode(Call*, const v1::SetModeRequest* request,
                       v1::SetModeResponse* response) override {
    const HandedOver handed_over(this);
    set_mode = *request;
    *response = mode;
    return failure;
  }
  grpc::Status GetStats(Call*, const v1::GetStatsRequest* request,
                        v1::GetStatsResponse* response) override {
    const HandedOver handed_over(this);
    get_stats = *request;
    *response->mutable_stats() = stats;
    return failure;
  }
  grpc::Status ListRemembered(Call*, const v1::ListRememberedRequest* request,
                              grpc::ServerWriter<v1::ListRememberedResponse>* writer) override {
    const HandedOver handed_over(this);
    list_remembered = *request;
    for (const auto& response : remembered) writer->Write(response);
    return failure;
  }
  grpc::Status ForgetRemembered(Call*, const v1::ForgetRememberedRequest*,
                                v1::ForgetRememberedResponse* response) override {
    const HandedOver handed_over(this);
    response->set_forgotten(forgotten);
    return failure;
  }
  grpc::Status WatchStats(Call* call, const v1::WatchStatsRequest* request,
                          grpc::ServerWriter<v1::WatchStatsResponse>* writer) override {
    const HandedOver handed_over(this);
    watch_stats = *request;
    if (!failure.ok()) return failure;
    v1::WatchStatsResponse response;
    *response.mutable_stats() = stats;
    writer->Write(response);
    writer->Write(response);
    return Follow(*call, true);
  }
  grpc::Status CheckPolicy(Call*, const v1::CheckPolicyRequest* request,
                           v1::CheckPolicyResponse* response) override {
    const HandedOver handed_over(this);
    check_policy = *request;
    *response = check;
    if (!checks.empty()) {
      *response = checks.front();
      checks.pop_front();
    }
    return grpc::Status::OK;
  }
  grpc::Status ApplyPolicy(Call*, const v1::ApplyPolicyRequest* request,
                           v1::ApplyPolicyResponse* response) override {
    const HandedOver handed_over(this);
    apply_policy = *request;
    *response = apply;
    return failure;
  }
  grpc::Status GetPolicy(Call*, const v1::GetPolicyRequest* request,
                         v1::GetPolicyResponse* response) override {
    const HandedOver handed_over(this);
    *response = policy;
    if (!request->has_version()) return failure;
    const auto found = versions.find(request->version());
    if (found == versions.end()) return {grpc::StatusCode::NOT_FOUND, "there is no such policy"};
    *response->mutable_policy() = found->second;
    return failure;
  }
  grpc::Status ExplainPolicy(Call*, const v1::ExplainPolicyRequest* request,
                             v1::ExplainPolicyResponse* response) override {
    const HandedOver handed_over(this);
    explain_policy = *request;
    *response = explain;
    return failure;
  }
  grpc::Status TestPolicy(
      Call*,
      grpc::ServerReaderWriter<v1::TestPolicyResponse, v1::TestPolicyRequest>* stream) override {
    const HandedOver handed_over(this);
    uint64_t answered = 0;
    v1::TestPolicyRequest request;
    while (answered < answers_before_failure && stream->Read(&request)) {
      test_policy.push_back(request);
      v1::TestPolicyResponse response;
      for (const auto& packet : request.packets()) {
        v1::TestPolicyResponse::Result& result = *response.add_results();
        *result.mutable_ruling() = ruling;
        result.mutable_headers()->set_source(packet.payload().substr(12, 4));
        result.mutable_headers()->set_destination(packet.payload().substr(16, 4));
        result.mutable_headers()->set_protocol(47);
        ++answered;
      }
      stream->Write(response);
    }
    return failure;
  }
  grpc::Status ListPolicies(Call*, const v1::ListPoliciesRequest* request,
                            v1::ListPoliciesResponse* response) override {
    const HandedOver handed_over(this);
    list_policies = *request;
    *response = policies;
    return failure;
  }
  grpc::Status RollbackPolicy(Call*, const v1::RollbackPolicyRequest* request,
                              v1::RollbackPolicyResponse* response) override {
    const HandedOver handed_over(this);
    rollback_policy = *request;
    *response = rollback;
    return failure;
  }
  grpc::Status ConfirmPolicy(Call*, const v1::ConfirmPolicyRequest* request,
                             v1::ConfirmPolicyResponse* response) override {
    const HandedOver handed_over(this);
    confirm_policy = *request;
    *response = confirm;
    return failure;
  }
  grpc::Status TryPolicy(Call* call, const v1::TryPolicyRequest* request,
                         grpc::ServerWriter<v1::TryPolicyResponse>* writer) override {
    const HandedOver handed_over(this);
    try_policy = *request;
    if (!failure.ok()) return failure;
    for (const auto& response : trial) writer->Write(response);
    return Follow(*call, true);
  }
  grpc::Status Screen(
      Call*, grpc::ServerReaderWriter<v1::ScreenResponse, v1::ScreenRequest>* stream) override {
    const HandedOver handed_over(this);
    stream->Read(&screen_hello);
    if (!screen_failure.ok()) return screen_failure;
    for (const auto& response : screen) stream->Write(response);
    v1::ScreenRequest request;
    while (stream->Read(&request)) {
      for (const auto& verdict : request.verdicts().verdicts()) {
        verdicts.push_back(verdict);
        on_verdict(verdict);
      }
      v1::ScreenResponse beat;
      *beat.mutable_heartbeat() = request.heartbeat();
      if (request.has_heartbeat() && !mute) stream->Write(beat);
    }
    // Longer than the time between heartbeats.
    if (slow_to_end) usleep(300'000);
    return grpc::Status::OK;
  }
  grpc::Status ObserveDecisions(Call* call, const v1::ObserveDecisionsRequest* request,
                                grpc::ServerWriter<v1::ObserveDecisionsResponse>* writer) override {
    const HandedOver handed_over(this);
    observe_decisions = *request;
    for (const auto& decision : decisions) writer->Write(decision);
    return Follow(*call, request->follow());
  }
  grpc::Status ObserveConnections(
      Call* call, const v1::ObserveConnectionsRequest* request,
      grpc::ServerWriter<v1::ObserveConnectionsResponse>* writer) override {
    const HandedOver handed_over(this);
    observe_connections = *request;
    for (const auto& connection : connections) writer->Write(connection);
    return Follow(*call, request->follow());
  }

  grpc::Status Follow(Call& call, bool follow) {
    if (!follow || hangs_up) return grpc::Status::OK;
    caught_up();
    // A synchronous handler has to poll whether the caller is still there.
    while (!call.IsCancelled()) usleep(1000);
    return grpc::Status::CANCELLED;
  }

  std::string folder_;
  std::unique_ptr<grpc::Server> server_;

  Mutex hand_over_;
};

}  // namespace sluice::cli
