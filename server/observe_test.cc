// ObserveService, fed by agents' streams.

#include <numeric>

#include "server/server_fixture.h"

namespace sluice::server {
namespace {

using grpc::StatusCode;
using std::string_literals::operator""s;

class ObserveTest : public ServerFixture {
 protected:
  void SetUp() override { Start({}, "from any to any tcp port 80 accept;"); }

  // Has a batch decided; returns once its verdicts are back.
  void DecideBatch(DecideClient* stream, const std::vector<uint64_t>& ids,
                   uint32_t destination_port = 80) {
    ASSERT_TRUE(stream->Write(Packets(++batch_, ids, destination_port)));
    v1::DecideResponse response;
    do {
      ASSERT_TRUE(stream->Read(&response));
    } while (response.verdicts().received_batch() < batch_);
  }
  // Decisions are entered after their verdicts are sent; the echo of a heartbeat comes after both.
  static void Settle(DecideClient* stream) {
    v1::DecideRequest beat;
    beat.mutable_heartbeat()->set_sequence(1);
    ASSERT_TRUE(stream->Write(beat));
    v1::DecideResponse response;
    do {
      ASSERT_TRUE(stream->Read(&response));
    } while (!response.has_heartbeat());
  }

  std::vector<uint64_t> Past(const v1::ObserveDecisionsRequest& request) {
    auto context = Context();
    const auto stub = Observe();
    auto reader = stub->ObserveDecisions(context.get(), request);
    std::vector<uint64_t> ids;
    v1::ObserveDecisionsResponse response;
    while (reader->Read(&response)) ids.push_back(response.decision().transaction_id());
    EXPECT_TRUE(reader->Finish().ok());
    return ids;
  }

  uint64_t batch_ = 0;
};

TEST_F(ObserveTest, ShowsTheLastDecisionsThatMatch) {
  auto stream = Decide("gw");
  DecideBatch(stream.get(), {1, 2});
  DecideBatch(stream.get(), {3}, 81);
  Settle(stream.get());
  v1::ObserveDecisionsRequest request;
  EXPECT_EQ(Past(request), std::vector<uint64_t>{});
  request.set_last(10);
  EXPECT_EQ(Past(request), (std::vector<uint64_t>{1, 2, 3}));
  request.set_last(2);
  EXPECT_EQ(Past(request), (std::vector<uint64_t>{2, 3}));
  request.set_action(v1::ACTION_ACCEPT);
  EXPECT_EQ(Past(request), (std::vector<uint64_t>{1, 2}));
  request.mutable_filter()->set_source_port(1);
  EXPECT_EQ(Past(request), (std::vector<uint64_t>{1}));
  request.mutable_filter()->add_gateways("other");
  EXPECT_EQ(Past(request), std::vector<uint64_t>{});

  request.Clear();
  request.set_last(1);
  auto context = Context();
  const auto stub = Observe();
  auto reader = stub->ObserveDecisions(context.get(), request);
  v1::ObserveDecisionsResponse response;
  ASSERT_TRUE(reader->Read(&response));
  const v1::Decision& decision = response.decision();
  EXPECT_EQ(decision.gateway(), "gw");
  EXPECT_EQ(decision.action(), v1::ACTION_DROP);
  EXPECT_EQ(decision.cause(), v1::CAUSE_VERDICT);
  EXPECT_EQ(decision.reason(), "default");
  EXPECT_EQ(decision.policy_version(), 1u);
  EXPECT_EQ(decision.queue(), 3u);
  EXPECT_EQ(decision.length(), 60u);
  EXPECT_GE(decision.waited_us(), 1000u);
  EXPECT_EQ(decision.input_interface(), "in0");
  EXPECT_EQ(decision.output_interface(), "out0");
  EXPECT_EQ(decision.headers().destination_port(), 81u);
  EXPECT_GT(decision.time().seconds(), 0);
}

TEST_F(ObserveTest, ShowsWhatRulesLog) {
  policies_->Apply(PolicyOf("from any to any tcp port 80 accept log;\n"
                            "from any to any tcp port 81 reject;\n",
                            "test"),
                   std::chrono::system_clock::now());
  auto stream = Decide("gw");
  DecideBatch(stream.get(), {1});
  DecideBatch(stream.get(), {2}, 81);
  DecideBatch(stream.get(), {3});
  Settle(stream.get());
  v1::ObserveDecisionsRequest request;
  request.set_last(10);
  EXPECT_EQ(Past(request), (std::vector<uint64_t>{1, 2, 3}));
  request.set_logged(true);
  EXPECT_EQ(Past(request), (std::vector<uint64_t>{1, 3}));
}

TEST_F(ObserveTest, FollowsFromThePastOnWithoutAGap) {
  auto stream = Decide("gw");
  DecideBatch(stream.get(), {1});
  Settle(stream.get());
  v1::ObserveDecisionsRequest request;
  request.set_last(10);
  request.set_follow(true);
  auto context = Context();
  const auto stub = Observe();
  auto reader = stub->ObserveDecisions(context.get(), request);
  reader->WaitForInitialMetadata();
  DecideBatch(stream.get(), {2});
  auto later = Decide("later");
  batch_ = 0;
  DecideBatch(later.get(), {3});
  v1::ObserveDecisionsResponse response;
  for (const uint64_t id : {1, 2, 3}) {
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.decision().transaction_id(), id);
  }
  context->TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), StatusCode::CANCELLED);
}

TEST_F(ObserveTest, ASlowReaderIsToldWhatItLost) {
  v1::ObserveDecisionsRequest request;
  request.set_follow(true);
  auto context = Context();
  const auto stub = Observe();
  auto reader = stub->ObserveDecisions(context.get(), request);
  reader->WaitForInitialMetadata();
  auto stream = Decide("gw");
  constexpr uint64_t kBatches = 20;
  std::vector<uint64_t> ids(1024);
  for (uint64_t i = 0; i < kBatches; ++i) {
    std::iota(ids.begin(), ids.end(), 1 + i * ids.size());
    DecideBatch(stream.get(), ids);
  }
  // Every decision is shown in order, or counted in place.
  uint64_t next = 1;
  uint64_t lost = 0;
  v1::ObserveDecisionsResponse response;
  while (next <= kBatches * ids.size()) {
    ASSERT_TRUE(reader->Read(&response));
    if (response.lost() > 0) {
      EXPECT_FALSE(response.has_decision());
      next += response.lost();
      lost += response.lost();
    } else {
      ASSERT_EQ(response.decision().transaction_id(), next++);
    }
  }
  EXPECT_GT(lost, 0u);
}

TEST_F(ObserveTest, ShowsConnections) {
  auto report = Report("gw");
  auto send = [&, batch = uint64_t{0}](v1::EventType type, uint32_t port) mutable {
    v1::ReportRequest request;
    request.mutable_events()->set_batch(++batch);
    v1::Event& event = *request.mutable_events()->add_events();
    event.mutable_time()->set_seconds(7);
    event.mutable_conntrack()->set_type(type);
    v1::Flow& flow = *event.mutable_conntrack()->mutable_flow();
    flow.set_family(v1::FAMILY_IPV4);
    flow.set_id(port);
    if (type == v1::EVENT_TYPE_NEW) flow.set_mark(9);
    flow.mutable_original()->set_source("\x0a\0\0\x01"s);
    flow.mutable_original()->set_destination("\x0a\0\0\x02"s);
    flow.mutable_original()->set_protocol(6);
    flow.mutable_original()->set_source_port(port);
    flow.mutable_original()->set_destination_port(80);
    ASSERT_TRUE(report->Write(request));
    v1::ReportResponse response;
    ASSERT_TRUE(report->Read(&response));
  };
  send(v1::EVENT_TYPE_NEW, 1);
  send(v1::EVENT_TYPE_NEW, 2);
  send(v1::EVENT_TYPE_DESTROY, 2);
  v1::ObserveConnectionsRequest request;
  request.set_last(10);
  request.set_follow(true);
  auto context = Context();
  const auto stub = Observe();
  auto reader = stub->ObserveConnections(context.get(), request);
  reader->WaitForInitialMetadata();
  send(v1::EVENT_TYPE_UPDATE, 1);
  v1::ObserveConnectionsResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.type(), v1::EVENT_TYPE_SNAPSHOT);
  EXPECT_EQ(response.flow().original().source_port(), 1u);
  EXPECT_EQ(response.gateway(), "gw");
  EXPECT_EQ(response.time().seconds(), 7);
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.type(), v1::EVENT_TYPE_DESTROY);
  EXPECT_EQ(response.flow().original().source_port(), 2u);
  EXPECT_FALSE(response.end_unseen());
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.type(), v1::EVENT_TYPE_UPDATE);
  EXPECT_EQ(response.flow().mark(), 9u);

  // All observers get gaps; events only those whose filter matches.
  v1::ObserveConnectionsRequest narrow;
  narrow.set_follow(true);
  narrow.mutable_filter()->set_source_port(5);
  auto narrow_context = Context();
  auto narrow_reader = stub->ObserveConnections(narrow_context.get(), narrow);
  narrow_reader->WaitForInitialMetadata();
  send(v1::EVENT_TYPE_NEW, 4);
  send(v1::EVENT_TYPE_NEW, 5);
  ASSERT_TRUE(narrow_reader->Read(&response));
  EXPECT_EQ(response.flow().original().source_port(), 5u);
  v1::ReportRequest gap;
  gap.mutable_events()->set_batch(7);
  gap.mutable_events()->add_events()->mutable_gap()->set_cause(v1::GAP_CAUSE_KERNEL_OVERRUN);
  gap.mutable_events()->add_events()->mutable_resync_done();
  ASSERT_TRUE(report->Write(gap));
  ASSERT_TRUE(narrow_reader->Read(&response));
  EXPECT_EQ(response.gap().cause(), v1::GAP_CAUSE_KERNEL_OVERRUN);
  ASSERT_TRUE(narrow_reader->Read(&response));
  EXPECT_EQ(response.type(), v1::EVENT_TYPE_DESTROY);
  EXPECT_TRUE(response.end_unseen());
  ASSERT_TRUE(narrow_reader->Read(&response));
  EXPECT_TRUE(response.has_resync_done());
}

TEST_F(ObserveTest, RefusesCausesAndTypesItDoesNotKnow) {
  const auto stub = Observe();
  v1::ObserveDecisionsRequest decisions;
  decisions.add_causes(v1::CAUSE_STALE);
  decisions.add_causes(static_cast<v1::Cause>(300));
  auto context = Context();
  const grpc::Status status = stub->ObserveDecisions(context.get(), decisions)->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "causes: 300 is unknown to this server");
  v1::ObserveConnectionsRequest connections;
  connections.add_types(static_cast<v1::EventType>(-1));
  auto second = Context();
  EXPECT_EQ(stub->ObserveConnections(second.get(), connections)->Finish().error_message(),
            "types: -1 is unknown to this server");
}

TEST_F(ObserveTest, RefusesFiltersThatCanNeverMatch) {
  const auto stub = Observe();
  v1::ObserveFilter filter;
  filter.mutable_source()->set_address("12345");
  v1::ObserveDecisionsRequest decisions;
  *decisions.mutable_filter() = filter;
  auto context = Context();
  const grpc::Status status = stub->ObserveDecisions(context.get(), decisions)->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("filter.source"), std::string::npos);
  v1::ObserveConnectionsRequest connections;
  *connections.mutable_filter() = filter;
  auto second = Context();
  EXPECT_EQ(stub->ObserveConnections(second.get(), connections)->Finish().error_code(),
            StatusCode::INVALID_ARGUMENT);
}

TEST_F(ObserveTest, ServesSoManyAndNoMore) {
  const auto stub = Observe();
  v1::ObserveDecisionsRequest request;
  request.set_follow(true);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ObserveDecisionsResponse>>> readers;
  // All come over a unix socket, so they share what one peer gets.
  for (size_t i = 0; i < ObserveServiceImpl::kObservers / 4; ++i) {
    contexts.push_back(Context());
    readers.push_back(stub->ObserveDecisions(contexts.back().get(), request));
    readers.back()->WaitForInitialMetadata();
  }
  auto context = Context();
  EXPECT_EQ(stub->ObserveDecisions(context.get(), request)->Finish().error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
  // Stopping the server ends the calls.
  server_->Stop(std::chrono::seconds(5));
  for (auto& reader : readers) {
    EXPECT_EQ(reader->Finish().error_code(), StatusCode::UNAVAILABLE);
  }
}

}  // namespace
}  // namespace sluice::server
