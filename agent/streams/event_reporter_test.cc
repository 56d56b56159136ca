#include "agent/streams/event_reporter.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

using std::chrono::seconds;

// Longer than anything takes on a busy machine; only a failing test waits as long.
constexpr seconds kPatience{30};

// The name of a socket that nobody else uses.
std::string FreshAddress() {
  static int count = 0;
  return absl::StrCat("unix-abstract:sluice-event-reporter-test-", getpid(), "-", ++count);
}

// A server that behaves as the test says. Echoes heartbeats; Sent hands out what else comes.
class FakeServer final : public v1::EventService::Service {
 public:
  struct Behaviour {
    bool welcome = true;
    bool echo = true;
    bool acknowledge = true;
    // Ends the first `refusals` streams with this instead of a conversation.
    grpc::Status refusal{};
    int refusals = 0;
  };

  FakeServer(const std::string& address, Behaviour behaviour) : behaviour_(behaviour) {
    server_ = grpc::ServerBuilder()
                  .AddListeningPort(address, grpc::InsecureServerCredentials())
                  .RegisterService(this)
                  .BuildAndStart();
  }
  ~FakeServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  // The next message of the kind, in order of arrival; others before it are discarded.
  v1::ReportRequest Sent(v1::ReportRequest::MessageCase kind) {
    MutexLock lock(mutex_);
    std::optional<v1::ReportRequest> found;
    const bool came = lock.WaitFor(changed_, kPatience, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      while (!requests_.empty() && !found) {
        if (requests_.front().message_case() == kind) found = requests_.front();
        requests_.pop_front();
      }
      return found.has_value();
    });
    EXPECT_TRUE(came) << "no message of kind " << kind;
    return found.value_or(v1::ReportRequest());
  }
  // The next batch of events.
  v1::EventBatch SentEvents() { return Sent(v1::ReportRequest::kEvents).events(); }

  void WaitForStreams(int count) {
    MutexLock lock(mutex_);
    EXPECT_TRUE(lock.WaitFor(changed_, kPatience,
                             [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return streams_ >= count; }));
  }
  int streams() {
    MutexLock lock(mutex_);
    return streams_;
  }
  // On the stream that is open.
  void Push(const v1::ReportResponse& response) {
    MutexLock lock(mutex_);
    ASSERT_NE(stream_, nullptr);
    stream_->Write(response);
  }
  void Acknowledge(uint64_t batch) {
    v1::ReportResponse response;
    response.mutable_ack()->set_batch(batch);
    Push(response);
  }
  void SetAcknowledge(bool acknowledge) {
    MutexLock lock(mutex_);
    behaviour_.acknowledge = acknowledge;
  }

 private:
  using Stream = grpc::ServerReaderWriter<v1::ReportResponse, v1::ReportRequest>;

  grpc::Status Report(grpc::ServerContext*, Stream* stream) override {
    {
      MutexLock lock(mutex_);
      ++streams_;
      changed_.notify_all();
      if (streams_ <= behaviour_.refusals) return behaviour_.refusal;
      stream_ = stream;
    }
    v1::ReportRequest request;
    while (stream->Read(&request)) {
      MutexLock lock(mutex_);
      Answer(request, *stream);
      requests_.push_back(request);
      changed_.notify_all();
    }
    MutexLock lock(mutex_);
    stream_ = nullptr;
    return grpc::Status::OK;
  }

  void Answer(const v1::ReportRequest& request, Stream& stream)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    v1::ReportResponse response;
    if (request.has_hello() && behaviour_.welcome) response.mutable_welcome();
    if (request.has_heartbeat() && behaviour_.echo) {
      *response.mutable_heartbeat() = request.heartbeat();
    }
    if (request.has_events() && behaviour_.acknowledge) {
      response.mutable_ack()->set_batch(request.events().batch());
    }
    if (response.message_case() != v1::ReportResponse::MESSAGE_NOT_SET) stream.Write(response);
  }

  Mutex mutex_;
  std::condition_variable changed_;
  Behaviour behaviour_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::ReportRequest> requests_ ABSL_GUARDED_BY(mutex_);
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<grpc::Server> server_;
};

v1::Event Update(uint32_t id) {
  v1::Event event;
  event.mutable_conntrack()->set_type(v1::EVENT_TYPE_UPDATE);
  event.mutable_conntrack()->mutable_flow()->set_id(id);
  return event;
}

// An agent whose conntrack watcher answers a request for a resync with nothing but the Gap.
class Agent final {
 public:
  explicit Agent(const std::string& address, std::chrono::milliseconds stats_interval = seconds(1))
      : reporter_(Options(address, stats_interval), [] { ADD_FAILURE() << "it cannot go on"; }) {
    reporter_.Start(
        [this] {
          v1::GatewayStats stats;
          stats.set_gateway("gw1");
          stats.set_asked(++stats_read_);
          return stats;
        },
        [this](v1::GapCause cause) {
          v1::Event event;
          event.mutable_gap()->set_cause(cause);
          reporter_.Post(event);
        });
  }
  EventReporter& reporter() { return reporter_; }

 private:
  static EventReporterOptions Options(const std::string& address,
                                      std::chrono::milliseconds stats_interval) {
    EventReporterOptions options;
    options.agent.set_gateway("gw1");
    options.agent.set_incarnation(77);
    options.servers = {address};
    options.backlog = 1024;
    options.stats_interval = stats_interval;
    return options;
  }

  uint64_t stats_read_ = 0;  // the reporter's thread
  EventReporter reporter_;
};

// Also waits for the stream.
void ExpectGap(FakeServer& server, v1::GapCause cause) {
  const v1::EventBatch batch = server.SentEvents();
  ASSERT_EQ(batch.events_size(), 1);
  EXPECT_EQ(batch.events(0).gap().cause(), cause);
}

TEST(EventReporterTest, HelloThenGapThenEventsInOrder) {
  const std::string address = FreshAddress();
  FakeServer server(address, {});
  Agent agent(address);
  const v1::AgentIdentity hello = server.Sent(v1::ReportRequest::kHello).hello().agent();
  EXPECT_EQ(hello.gateway(), "gw1");
  EXPECT_EQ(hello.incarnation(), 77u);
  ExpectGap(server, v1::GAP_CAUSE_STREAM_START);

  constexpr uint32_t kEvents = 1000;
  for (uint32_t id = 0; id < kEvents; ++id) agent.reporter().Post(Update(id));
  uint32_t next = 0;
  for (uint64_t number = 2; next < kEvents; ++number) {
    const v1::EventBatch batch = server.SentEvents();
    ASSERT_FALSE(batch.events().empty());
    EXPECT_LE(batch.events_size(), 256);
    EXPECT_EQ(batch.batch(), number);
    for (const v1::Event& event : batch.events()) {
      ASSERT_EQ(event.conntrack().flow().id(), next++);
    }
  }
  v1::Event event;
  event.mutable_packet()->set_queue(3);
  agent.reporter().Post(event);
  EXPECT_EQ(server.SentEvents().events(0).packet().queue(), 3u);
  EXPECT_EQ(agent.reporter().counters().lost, 0u);
  EXPECT_EQ(agent.reporter().counters().gaps, 0u);
  EXPECT_EQ(server.streams(), 1);
}

TEST(EventReporterTest, StatsAgainAndAgain) {
  const std::string address = FreshAddress();
  FakeServer server(address, {});
  Agent agent(address, std::chrono::milliseconds(10));
  for (uint64_t expected = 1; expected <= 3; ++expected) {
    const v1::GatewayStats stats = server.Sent(v1::ReportRequest::kStats).stats();
    EXPECT_EQ(stats.gateway(), "gw1");
    EXPECT_EQ(stats.asked(), expected);
  }
}

TEST(EventReporterTest, WithheldAcknowledgementsFillTheBacklogAndTheLossIsTold) {
  const std::string address = FreshAddress();
  FakeServer server(address, {.acknowledge = false});
  Agent agent(address);
  EventReporter& reporter = agent.reporter();
  ExpectGap(server, v1::GAP_CAUSE_STREAM_START);

  uint64_t batches = 1;
  uint64_t posted = 0;
  uint64_t received = 0;
  while (batches < 8) {
    reporter.Post(Update(static_cast<uint32_t>(posted++)));
    received += static_cast<uint64_t>(server.SentEvents().events_size());
    ++batches;
  }
  while (reporter.counters().lost < 100) reporter.Post(Update(static_cast<uint32_t>(posted++)));
  EXPECT_TRUE(reporter.Congested());
  // The heartbeats go on, and no ninth batch comes between.
  server.Sent(v1::ReportRequest::kHeartbeat);
  server.Sent(v1::ReportRequest::kHeartbeat);

  server.SetAcknowledge(true);
  server.Acknowledge(8);
  uint64_t lost = 0;
  while (lost == 0) {
    const v1::EventBatch batch = server.SentEvents();
    ASSERT_EQ(batch.batch(), ++batches);
    for (const v1::Event& event : batch.events()) {
      if (!event.has_gap()) {
        ++received;
        continue;
      }
      EXPECT_EQ(event.gap().cause(), v1::GAP_CAUSE_BACKLOG_FULL);
      lost = event.gap().lost_at_least();
    }
  }
  EXPECT_EQ(received + lost, posted);
  EXPECT_EQ(reporter.counters().lost, lost);
  EXPECT_EQ(reporter.counters().gaps, 1u);
  EXPECT_FALSE(reporter.Congested());
  // It goes on as before.
  reporter.Post(Update(9));
  EXPECT_EQ(server.SentEvents().events(0).conntrack().flow().id(), 9u);
}

TEST(EventReporterTest, SilentServerIsLeftAndDialledAgain) {
  const std::string address = FreshAddress();
  FakeServer server(address, {.echo = false, .acknowledge = false});
  Agent agent(address);
  for (int stream = 0; stream < 2; ++stream) {
    server.Sent(v1::ReportRequest::kHello);
    ExpectGap(server, v1::GAP_CAUSE_STREAM_START);
  }
}

TEST(EventReporterTest, ServerThatAcknowledgesNothingIsLeftAndDialledAgain) {
  const std::string address = FreshAddress();
  FakeServer server(address, {.acknowledge = false});
  Agent agent(address);
  for (int stream = 0; stream < 2; ++stream) {
    server.Sent(v1::ReportRequest::kHello);
    ExpectGap(server, v1::GAP_CAUSE_STREAM_START);
  }
}

TEST(EventReporterTest, ServerThatDoesNotWelcomeIsLeft) {
  const std::string address = FreshAddress();
  FakeServer server(address, {.welcome = false});
  Agent agent(address);
  server.Sent(v1::ReportRequest::kHello);
  server.Sent(v1::ReportRequest::kHello);
}

TEST(EventReporterTest, RestartedServerGetsHelloAndSnapshotButNoOldEvents) {
  const std::string address = FreshAddress();
  auto server = std::make_unique<FakeServer>(address, FakeServer::Behaviour{.acknowledge = false});
  Agent agent(address);
  ExpectGap(*server, v1::GAP_CAUSE_STREAM_START);
  for (uint32_t id = 0; id < 5000; ++id) agent.reporter().Post(Update(id));
  server->SentEvents();
  server.reset();
  server = std::make_unique<FakeServer>(address, FakeServer::Behaviour{});
  server->Sent(v1::ReportRequest::kHello);
  const v1::EventBatch batch = server->SentEvents();
  EXPECT_EQ(batch.batch(), 1u);
  ASSERT_EQ(batch.events_size(), 1);
  EXPECT_EQ(batch.events(0).gap().cause(), v1::GAP_CAUSE_STREAM_START);
  EXPECT_EQ(batch.events(0).gap().lost_at_least(), 0u);
}

TEST(EventReporterTest, AcknowledgementOfWhatWasNotSentEndsTheStream) {
  const std::string address = FreshAddress();
  FakeServer server(address, {});
  Agent agent(address);
  ExpectGap(server, v1::GAP_CAUSE_STREAM_START);
  server.Acknowledge(1000);
  server.Sent(v1::ReportRequest::kHello);
}

TEST(EventReporterTest, UnimplementedIsNotAskedAgainSoon) {
  const std::string decider_address = FreshAddress();
  FakeServer decider(decider_address,
                     {.refusal = {grpc::StatusCode::UNIMPLEMENTED, ""}, .refusals = 1000});
  Agent agent(decider_address);
  decider.WaitForStreams(1);
  // Meanwhile another agent dials a server that is only unavailable, several times.
  const std::string address = FreshAddress();
  FakeServer server(address,
                    {.refusal = {grpc::StatusCode::UNAVAILABLE, "starting"}, .refusals = 4});
  Agent other(address);
  ExpectGap(server, v1::GAP_CAUSE_STREAM_START);
  EXPECT_GE(server.streams(), 5);
  EXPECT_EQ(decider.streams(), 1);
  agent.reporter().Stop();
}

TEST(EventReporterTest, StopsAtAnyTime) {
  const std::string address = FreshAddress();
  { Agent nobody(address); }
  FakeServer server(address, {.welcome = false});
  Agent waiting(address);
  server.Sent(v1::ReportRequest::kHello);
  waiting.reporter().Stop();
  waiting.reporter().Stop();
  waiting.reporter().Post(Update(1));
  EXPECT_FALSE(waiting.reporter().Congested());
}

}  // namespace
}  // namespace sluice::agent
