#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <string>
#include <thread>

#include "server/server.h"
#include "sluice/v1/command.grpc.pb.h"
#include "sluice/v1/control.grpc.pb.h"
#include "sluice/v1/decision.grpc.pb.h"
#include "sluice/v1/event.grpc.pb.h"
#include "sluice/v1/observe.grpc.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// After this time a test fails instead of waiting for ever.
inline constexpr std::chrono::seconds kPatience{60};

// The client's side of one of an agent's streams. A thread sends heartbeats on it, so that a slow
// test is not taken for a dead agent; Read skips their echoes.
template <typename Request, typename Response>
class AgentStream final {
 public:
  using Open = std::function<std::unique_ptr<grpc::ClientReaderWriter<Request, Response>>(
      grpc::ClientContext*)>;

  explicit AgentStream(const Open& open, bool beats = true) {
    context_.set_deadline(std::chrono::system_clock::now() + kPatience);
    stream_ = open(&context_);
    if (beats) beater_ = std::thread([this] { Beat(); });
  }
  ~AgentStream() {
    context_.TryCancel();
    StopBeating();
  }

  bool Write(const Request& request) {
    MutexLock lock(mutex_);
    const bool sent = stream_->Write(request);
    talks_ = true;  // Not before the first message, which must be the test's.
    return sent;
  }
  void WritesDone() {
    StopBeating();
    MutexLock lock(mutex_);
    stream_->WritesDone();
  }
  // False once the stream has ended.
  bool Read(Response* response) {
    while (stream_->Read(response)) {
      if (!response->has_heartbeat() || response->heartbeat().sequence() < kOwn) return true;
    }
    return false;
  }
  // Returns the status the stream ends with; skips all messages before.
  grpc::Status Finish() {
    Response response;
    while (stream_->Read(&response)) {
    }
    StopBeating();
    return stream_->Finish();
  }
  void Cancel() { context_.TryCancel(); }
  void StopBeating() {
    {
      MutexLock lock(mutex_);
      stop_ = true;
    }
    stopped_.notify_all();
    if (beater_.joinable()) beater_.join();
  }

 private:
  static constexpr uint64_t kOwn = uint64_t{1} << 40;

  void Beat() {
    MutexLock lock(mutex_);
    Request beat;
    beat.mutable_heartbeat()->set_sequence(kOwn);
    while (!lock.WaitFor(stopped_, std::chrono::milliseconds(100),
                         [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_; })) {
      if (talks_) stream_->Write(beat);
    }
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream_;
  Mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool talks_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread beater_;
};

using DecideClient = AgentStream<v1::DecideRequest, v1::DecideResponse>;
using ReportClient = AgentStream<v1::ReportRequest, v1::ReportResponse>;
using ServeClient = AgentStream<v1::ServeRequest, v1::ServeResponse>;

// A whole server on a unix socket of the test's own, and real clients of it.
class ServerFixture : public testing::Test {
 protected:
  ServerFixture() = default;
  ~ServerFixture() override;

  // Called once, before anything else.
  void Start(ServerOptions options = {}, const std::string& policy = "default reject;");

  // Makes a new connection each time.
  std::shared_ptr<grpc::Channel> Connect() const;

  // Open a stream and send nothing.
  std::unique_ptr<DecideClient> OpenDecide(bool beats = true);
  std::unique_ptr<ReportClient> OpenReport(bool beats = true);
  std::unique_ptr<ServeClient> OpenServe(bool beats = true);

  // Open a stream, send the hello and read the welcome.
  std::unique_ptr<DecideClient> Decide(const std::string& gateway);
  std::unique_ptr<ReportClient> Report(const std::string& gateway, uint64_t incarnation = 1);
  std::unique_ptr<ServeClient> Serve(const std::string& gateway, uint64_t incarnation = 1);

  static v1::DecideRequest DecideHello(const std::string& gateway);
  static v1::ReportRequest ReportHello(const std::string& gateway, uint64_t incarnation = 1);
  static v1::ServeRequest ServeHello(const std::string& gateway, uint64_t incarnation = 1);

  // Reads the next batch of verdicts; skips Retunes before it.
  static bool ReadVerdicts(DecideClient& stream, v1::DecideResponse* response) {
    do {
      if (!stream.Read(response)) return false;
    } while (response->has_retune());
    return response->has_verdicts();
  }

  // Packet batch `batch` of TCP packets from 10.0.0.1 to 10.0.0.2 with these transaction ids,
  // which are their source ports as well.
  static v1::DecideRequest Packets(uint64_t batch, const std::vector<uint64_t>& ids,
                                   uint32_t destination_port = 80);

  std::unique_ptr<v1::ControlService::Stub> Control();
  std::unique_ptr<v1::ObserveService::Stub> Observe();

  // A context with a deadline.
  static std::unique_ptr<grpc::ClientContext> Context();

  std::unique_ptr<PolicyStore> policies_;
  std::unique_ptr<Server> server_;
  std::string folder_;
  int folder_fd_ = -1;
  std::string target_;
};

}  // namespace sluice::server
