#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sluice/v1/decision.grpc.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// A decider as a developer would write one, on a port of its own. It answers at once what `decide`
// returns; other packets are left for the test to answer.
class TestDecider final : public v1::DecisionService::Service {
 public:
  using Stream = grpc::ServerReaderWriter<v1::DecideResponse, v1::DecideRequest>;
  using Decision = std::function<std::optional<v1::Action>(const v1::Packet&)>;

  explicit TestDecider(Decision decide = Nothing, bool mute = false)
      : decide_(std::move(decide)), mute_(mute) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~TestDecider() override { Stop(); }

  // Ends its streams at once, as if the decider were killed.
  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
    server_.reset();
  }

  static std::optional<v1::Action> Nothing(const v1::Packet&) { return std::nullopt; }
  static std::optional<v1::Action> Accept(const v1::Packet&) { return v1::ACTION_ACCEPT; }

  const std::string& address() const { return address_; }
  // Waits for this many packets in all; returns their transaction ids here.
  std::vector<uint64_t> Await(size_t packets) {
    MutexLock lock(mutex_);
    lock.Wait(changed_, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return got_.size() >= packets; });
    return got_;
  }
  // Waits until no stream is up.
  void AwaitNobody() {
    MutexLock lock(mutex_);
    lock.Wait(changed_, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return streams_.empty(); });
  }
  // Sends it on every stream.
  void Say(const v1::DecideResponse& response) {
    MutexLock lock(mutex_);
    for (Stream* stream : streams_) stream->Write(response);
  }
  void Answer(uint64_t id, v1::Action action, const std::string& reason = "") {
    v1::DecideResponse response;
    v1::Verdict* verdict = response.mutable_verdicts()->add_verdicts();
    verdict->set_transaction_id(id);
    verdict->set_action(action);
    verdict->set_reason(reason);
    Say(response);
  }
  v1::DecideHello hello() {
    MutexLock lock(mutex_);
    return hello_;
  }
  std::set<std::string> gateways() {
    MutexLock lock(mutex_);
    return gateways_;
  }
  v1::VerdictErrors AwaitErrors() {
    MutexLock lock(mutex_);
    lock.Wait(changed_,
              [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return errors_.entries_size() > 0; });
    return errors_;
  }

 private:
  grpc::Status Decide(grpc::ServerContext*, Stream* stream) override {
    v1::DecideRequest request;
    while (stream->Read(&request)) {
      MutexLock lock(mutex_);
      v1::DecideResponse response;
      switch (request.message_case()) {
        case v1::DecideRequest::kHello:
          hello_ = request.hello();
          streams_.insert(stream);
          response.mutable_welcome()->set_policy_token("1");
          stream->Write(response);
          break;
        case v1::DecideRequest::kHeartbeat:
          *response.mutable_heartbeat() = request.heartbeat();
          if (!mute_) stream->Write(response);
          break;
        case v1::DecideRequest::kPackets:
          TakePackets(request.packets(), &response);
          if (!mute_) stream->Write(response);
          break;
        case v1::DecideRequest::kErrors:
          errors_ = request.errors();
          break;
        case v1::DecideRequest::MESSAGE_NOT_SET:
          break;
      }
      changed_.notify_all();
    }
    MutexLock lock(mutex_);
    streams_.erase(stream);
    changed_.notify_all();
    return grpc::Status::OK;
  }

  void TakePackets(const v1::PacketBatch& batch, v1::DecideResponse* response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    response->mutable_verdicts()->set_received_batch(batch.batch());
    gateways_.insert(batch.gateway());
    for (const v1::Packet& packet : batch.packets()) {
      got_.push_back(packet.transaction_id());
      const auto action = decide_(packet);
      if (!action) continue;
      v1::Verdict* verdict = response->mutable_verdicts()->add_verdicts();
      verdict->set_transaction_id(packet.transaction_id());
      verdict->set_action(*action);
      verdict->set_reason("seen");
    }
  }

  const Decision decide_;
  const bool mute_;  // Sends nothing after the welcome.
  std::string address_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> got_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> gateways_ ABSL_GUARDED_BY(mutex_);
  v1::DecideHello hello_ ABSL_GUARDED_BY(mutex_);
  v1::VerdictErrors errors_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace sluice::server
