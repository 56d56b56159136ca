#include "server/edge/edge.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/calls/bidi_reactor.h"
#include "server/calls/methods.h"
#include "server/edge/listen_address.h"
#include "sluice/v1/control.grpc.pb.h"
#include "sluice/v1/decision.grpc.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {
namespace {

// Counts what became of the calls.
struct Fates {
  std::atomic<int> begun{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> abandoned{0};
  std::atomic<int> done{0};
};

// The sequence of a heartbeat that is answered by the last message, once nothing further comes.
constexpr uint64_t kAnsweredLate = 1'000'000;

// Echoes heartbeats until its caller half-closes the stream.
class Echo final : public BidiReactor<v1::DecideRequest, v1::DecideResponse> {
 public:
  Echo(std::shared_ptr<Call> call, Fates* fates) : BidiReactor(std::move(call)), fates_(fates) {
    ++fates_->begun;
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return End();
    if (request_.heartbeat().sequence() == kAnsweredLate) return StartRead(&request_);
    *response_.mutable_heartbeat() = request_.heartbeat();
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return End();
    StartRead(&request_);
  }
  void OnCancel() override { ++fates_->cancelled; }
  void OnDone() override {
    ++fates_->done;
    delete this;
  }

 private:
  ~Echo() override = default;

  // One read or write is under way at a time, so one of them ends it.
  void End() {
    if (request_.heartbeat().sequence() == kAnsweredLate) return call().FinishWith(response_);
    Finish(absl::OkStatus());
  }

  Fates* const fates_;
  v1::DecideRequest request_;
  v1::DecideResponse response_;
};

// Writes a number of messages, one after the other.
class Count final : public WriteReactor<v1::WatchStatsRequest, v1::WatchStatsResponse> {
 public:
  Count(WriteCall<v1::WatchStatsRequest>&& call, Fates* fates)
      : WriteReactor(std::move(call)), fates_(fates), left_(std::stoi(request().gateway())) {
    ++fates_->begun;
    StartSendInitialMetadata();
    Next();
  }

  void OnWriteDone(bool ok) override { ok ? Next() : Finish(absl::CancelledError()); }
  void OnDone() override {
    ++fates_->done;
    delete this;
  }

 private:
  ~Count() override = default;

  void Next() {
    if (left_-- == 0) return Finish(absl::OutOfRangeError("that is all"));
    StartWrite(&response_);
  }

  Fates* const fates_;
  int left_;
  v1::WatchStatsResponse response_;
};

class EdgeTest : public testing::Test {
 protected:
  EdgeTest() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    methods_.AddBidi<v1::DecideRequest, v1::DecideResponse>(
        "sluice.v1.DecisionService", "Decide", Lane::kPackets,
        [this](std::shared_ptr<Call> call) { new Echo(std::move(call), &fates_); });
    methods_.AddWriting<v1::WatchStatsRequest, v1::WatchStatsResponse>(
        "sluice.v1.ControlService", "WatchStats", [this](WriteCall<v1::WatchStatsRequest>&& call) {
          if (call.request.gateway().empty()) {
            return Refusal::Make(std::move(call.call), absl::NotFoundError("none"));
          }
          new Count(std::move(call), &fates_);
        });
    methods_.AddUnary<v1::GetPolicyRequest, v1::GetPolicyResponse>(
        "sluice.v1.ControlService", "GetPolicy",
        [this](UnaryCall<v1::GetPolicyRequest, v1::GetPolicyResponse>* call) {
          MutexLock lock(mutex_);
          later_.emplace_back([call] {
            call->response.mutable_policy()->set_version(call->request.version());
            call->Finish(absl::OkStatus());
          });
        });
    methods_.AddUnary<v1::ListGatewaysRequest, v1::ListGatewaysResponse>(
        "sluice.v1.ControlService", "ListGateways",
        [this](UnaryCall<v1::ListGatewaysRequest, v1::ListGatewaysResponse>* call) {
          MutexLock lock(mutex_);
          later_.emplace_back([this, call] {
            while (!call->Abandoned()) std::this_thread::yield();
            ++fates_.abandoned;
            call->Finish(absl::OkStatus());
          });
        });
    edge_ = std::make_unique<Edge>(EdgeOptions{}, &methods_);
    const absl::StatusOr<ListeningSocket> listening =
        Listen(ListenAddress::Parse(Address()).value());
    EXPECT_TRUE(listening.ok()) << listening.status();
    edge_->Serve(listening->fd, nullptr);
  }
  ~EdgeTest() override {
    Stop();
    for (std::thread& thread : later_) thread.join();
    std::filesystem::remove_all(folder_);
  }

  // Returns when every call has ended.
  void Stop() { edge_->Stop(std::chrono::milliseconds(0)); }

  std::string Address() const { return "unix:" + folder_ + "/s"; }
  std::shared_ptr<grpc::Channel> Channel() const {
    return grpc::CreateChannel(Address(), grpc::InsecureChannelCredentials());
  }

  Fates fates_;
  std::string folder_ = "/tmp/edgeXXXXXX";
  Methods methods_;
  std::unique_ptr<Edge> edge_;
  Mutex mutex_;
  std::vector<std::thread> later_;
};

TEST_F(EdgeTest, AnswersUntilTheCallerHasSaidEverything) {
  const auto stub = v1::DecisionService::NewStub(Channel());
  grpc::ClientContext context;
  const auto stream = stub->Decide(&context);
  for (uint64_t i = 1; i <= 3; ++i) {
    v1::DecideRequest request;
    request.mutable_heartbeat()->set_sequence(i);
    ASSERT_TRUE(stream->Write(request));
    v1::DecideResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.heartbeat().sequence(), i);
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  Stop();
  EXPECT_EQ(fates_.done, 1);
  EXPECT_EQ(fates_.cancelled, 0);
}

TEST_F(EdgeTest, TellsOfACancelledCall) {
  const auto stub = v1::DecisionService::NewStub(Channel());
  grpc::ClientContext context;
  const auto stream = stub->Decide(&context);
  v1::DecideRequest request;
  request.mutable_heartbeat()->set_sequence(1);
  v1::DecideResponse response;
  ASSERT_TRUE(stream->Write(request) && stream->Read(&response));
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  Stop();
  EXPECT_EQ(fates_.cancelled, 1);
  EXPECT_EQ(fates_.done, 1);
}

TEST_F(EdgeTest, WritesAStreamAndItsStatus) {
  const auto stub = v1::ControlService::NewStub(Channel());
  grpc::ClientContext context;
  v1::WatchStatsRequest request;
  request.set_gateway("100");
  const auto stream = stub->WatchStats(&context, request);
  v1::WatchStatsResponse response;
  int messages = 0;
  while (stream->Read(&response)) ++messages;
  EXPECT_EQ(messages, 100);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::OUT_OF_RANGE);
}

TEST_F(EdgeTest, RefusesACall) {
  const auto stub = v1::ControlService::NewStub(Channel());
  grpc::ClientContext context;
  v1::WatchStatsResponse response;
  const auto stream = stub->WatchStats(&context, {});
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(EdgeTest, AnswersFromAnotherThread) {
  const auto stub = v1::ControlService::NewStub(Channel());
  for (uint64_t i = 1; i <= 20; ++i) {
    grpc::ClientContext context;
    v1::GetPolicyRequest request;
    v1::GetPolicyResponse response;
    request.set_version(i);
    ASSERT_TRUE(stub->GetPolicy(&context, request, &response).ok());
    EXPECT_EQ(response.policy().version(), i);
  }
}

TEST_F(EdgeTest, TellsWhenNobodyWaitsForAnAnswer) {
  const auto stub = v1::ControlService::NewStub(Channel());
  {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
    v1::ListGatewaysResponse response;
    // The answer races with the deadline: the caller may get either.
    stub->ListGateways(&context, {}, &response);
  }
  {
    grpc::ClientContext context;
    v1::ListGatewaysResponse response;
    std::thread impatient([&] { context.TryCancel(); });
    EXPECT_EQ(stub->ListGateways(&context, {}, &response).error_code(),
              grpc::StatusCode::CANCELLED);
    impatient.join();
  }
  Stop();
  MutexLock lock(mutex_);
  EXPECT_EQ(static_cast<size_t>(fates_.abandoned), later_.size());
}

// The caller's library does not know of the deadline, so only the server ends the call.
TEST_F(EdgeTest, EndsAStreamWhoseDeadlinePasses) {
  const auto stub = v1::DecisionService::NewStub(Channel());
  grpc::ClientContext context;
  context.AddMetadata("grpc-timeout", "200m");
  const auto stream = stub->Decide(&context);
  v1::DecideRequest request;
  request.mutable_heartbeat();
  stream->Write(request);
  v1::DecideResponse response;
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  Stop();
  EXPECT_EQ(fates_.cancelled, 1);
  EXPECT_EQ(fates_.done, 1);
}

TEST_F(EdgeTest, EndsACallThatIsAnsweredAfterItsDeadline) {
  const auto stub = v1::DecisionService::NewStub(Channel());
  grpc::ClientContext context;
  context.AddMetadata("grpc-timeout", "200m");
  const auto stream = stub->Decide(&context);
  v1::DecideRequest request;
  request.mutable_heartbeat()->set_sequence(kAnsweredLate);
  stream->Write(request);
  v1::DecideResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  Stop();
  EXPECT_EQ(fates_.done, fates_.begun);
}

// By gRPC-Web over HTTP/1.1, where nothing but the end of the connection says so.
TEST_F(EdgeTest, NoticesAPageThatLeaves) {
  const int page = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  (folder_ + "/s").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(connect(page, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const std::string request =
      "POST /sluice.v1.ControlService/ListGateways HTTP/1.1\r\nhost: sluice\r\n"
      "content-type: application/grpc-web+proto\r\ncontent-length: 5\r\n\r\n" +
      std::string(5, '\0');
  ASSERT_EQ(send(page, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  const auto await = [&](auto wanted) {
    while (!wanted() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    return wanted();
  };
  EXPECT_TRUE(await([this] {
    MutexLock lock(mutex_);
    return !later_.empty();
  }));
  close(page);
  EXPECT_TRUE(await([this] { return fates_.abandoned == 1; }));
}

TEST_F(EdgeTest, EndsEveryCallWhenTheServerIsShutDown) {
  const auto stub = v1::DecisionService::NewStub(Channel());
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReaderWriter<v1::DecideRequest, v1::DecideResponse>>>
      streams;
  for (int i = 0; i < 20; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(stub->Decide(contexts.back().get()));
    v1::DecideRequest request;
    request.mutable_heartbeat();
    v1::DecideResponse response;
    ASSERT_TRUE(streams.back()->Write(request) && streams.back()->Read(&response));
  }
  Stop();
  EXPECT_EQ(fates_.begun, 20);
  EXPECT_EQ(fates_.done, 20);
  for (const auto& stream : streams) EXPECT_FALSE(stream->Finish().ok());
}

// Calls are cancelled at every stage, even before they arrive, while the server goes down.
TEST_F(EdgeTest, SurvivesCallersWhoLeave) {
  std::vector<std::thread> callers;
  for (unsigned caller = 0; caller < 4; ++caller) {
    callers.emplace_back([this, caller] {
      const auto decision = v1::DecisionService::NewStub(Channel());
      const auto control = v1::ControlService::NewStub(Channel());
      for (unsigned i = 0; i < 100; ++i) {
        grpc::ClientContext watching;
        v1::WatchStatsRequest watch;
        watch.set_gateway("1000000");
        const auto counted = control->WatchStats(&watching, watch);
        grpc::ClientContext context;
        const auto stream = decision->Decide(&context);
        v1::DecideRequest request;
        request.mutable_heartbeat();
        v1::DecideResponse response;
        for (unsigned n = 0; n < (i + caller) % 4; ++n) {
          if (!stream->Write(request)) break;
          if (n % 2 == 0 && !stream->Read(&response)) break;
        }
        context.TryCancel();
        stream->Finish();
        watching.TryCancel();
        counted->Finish();
      }
    });
  }
  callers.front().join();
  Stop();
  for (size_t i = 1; i < callers.size(); ++i) callers[i].join();
  EXPECT_GT(fates_.done, 0);
  EXPECT_EQ(fates_.begun, fates_.done);
}

}  // namespace
}  // namespace sluice::server
