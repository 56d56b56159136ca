// EventService, driven by a client over a socket.

#include "server/server_fixture.h"

namespace sluice::server {
namespace {

using grpc::StatusCode;
using std::string_literals::operator""s;

v1::ReportRequest Events(uint64_t batch) {
  v1::ReportRequest request;
  request.mutable_events()->set_batch(batch);
  return request;
}

class ReportTest : public ServerFixture {
 protected:
  void SetUp() override { Start(); }

  static void Send(ReportClient* stream, const v1::ReportRequest& request) {
    ASSERT_TRUE(stream->Write(request));
    v1::ReportResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.ack().batch(), request.events().batch());
  }
};

TEST_F(ReportTest, AcknowledgesAndEchoes) {
  auto stream = Report("gw");
  Send(stream.get(), Events(1));
  Send(stream.get(), Events(2));
  v1::ReportRequest beat;
  beat.mutable_heartbeat()->set_sequence(5);
  ASSERT_TRUE(stream->Write(beat));
  v1::ReportResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.heartbeat().sequence(), 5u);
}

TEST_F(ReportTest, TakesTheModeFromTheCounters) {
  auto stream = Report("gw");
  v1::ReportRequest stats;
  stats.mutable_stats()->set_mode(v1::MODE_SHADOW);
  ASSERT_TRUE(stream->Write(stats));
  Send(stream.get(), Events(1));
  v1::ListGatewaysResponse list;
  ASSERT_TRUE(Control()->ListGateways(Context().get(), {}, &list).ok());
  EXPECT_EQ(list.gateways(0).mode(), v1::MODE_SHADOW);
  EXPECT_TRUE(list.gateways(0).reporting());
  EXPECT_FALSE(list.gateways(0).connected());
}

TEST_F(ReportTest, EntersPacketEventsIntoTheDecisions) {
  auto stream = Report("gw");
  v1::ReportRequest request = Events(1);
  v1::PacketEvent& event = *request.mutable_events()->add_events()->mutable_packet();
  event.set_family(v1::FAMILY_IPV4);
  event.mutable_headers()->set_source("\x0a\0\0\x01"s);
  event.mutable_headers()->set_destination("\x0a\0\0\x02"s);
  event.set_cause(v1::CAUSE_STALE);
  event.set_action(v1::ACTION_DROP);
  event.set_waited_us(50'000);
  event.set_queue(2);
  event.set_input_interface("in0");
  // An event that makes no sense.
  request.mutable_events()->add_events()->mutable_packet()->set_cause(static_cast<v1::Cause>(1234));
  Send(stream.get(), request);
  v1::ObserveDecisionsRequest observe;
  observe.set_last(10);
  observe.add_causes(v1::CAUSE_STALE);
  auto context = Context();
  auto reader = Observe()->ObserveDecisions(context.get(), observe);
  v1::ObserveDecisionsResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.decision().gateway(), "gw");
  EXPECT_EQ(response.decision().cause(), v1::CAUSE_STALE);
  EXPECT_EQ(response.decision().action(), v1::ACTION_DROP);
  EXPECT_EQ(response.decision().waited_us(), 50'000u);
  EXPECT_EQ(response.decision().queue(), 2u);
  EXPECT_EQ(response.decision().input_interface(), "in0");
  EXPECT_EQ(response.decision().reason(), "no verdict in time");
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ReportTest, EndsABrokenConversation) {
  v1::ReportRequest crowd = Events(1);
  for (int i = 0; i < 257; ++i) crowd.mutable_events()->add_events();
  const std::vector<std::vector<v1::ReportRequest>> kBroken = {
      {Events(1)},
      {v1::ReportRequest()},
      {ReportHello("gw"), ReportHello("gw")},
      {ReportHello("gw"), Events(2)},
      {ReportHello("gw"), Events(1), Events(1)},
      {ReportHello("gw"), crowd},
      {ReportHello("")},
  };
  for (const auto& requests : kBroken) {
    auto stream = OpenReport();
    for (const auto& request : requests) stream->Write(request);
    EXPECT_EQ(stream->Finish().error_code(), StatusCode::INVALID_ARGUMENT);
  }
  auto mute = OpenReport(/*beats=*/false);
  EXPECT_EQ(mute->Finish().error_code(), StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(ReportTest, ALaterStreamReplacesTheOld) {
  auto first = Report("gw", 1);
  auto second = Report("gw", 1);
  EXPECT_EQ(first->Finish().error_code(), StatusCode::ABORTED);
  auto third = Report("gw", 2);
  EXPECT_EQ(second->Finish().error_code(), StatusCode::ABORTED);
  Send(third.get(), Events(1));
}

}  // namespace
}  // namespace sluice::server
