#include "server/flows/flows.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::server {
namespace {

using std::string_literals::operator""s;

v1::EventBatch Batch(v1::EventType type, std::vector<int> ports, int second) {
  v1::EventBatch batch;
  for (const int port : ports) {
    v1::Event& event = *batch.add_events();
    event.mutable_time()->set_seconds(second);
    event.mutable_conntrack()->set_type(type);
    v1::Flow& flow = *event.mutable_conntrack()->mutable_flow();
    flow.set_family(v1::FAMILY_IPV4);
    flow.set_id(static_cast<uint32_t>(port));
    flow.mutable_original()->set_source("\x0a\0\0\x01"s);
    flow.mutable_original()->set_destination("\x0a\0\0\x02"s);
    flow.mutable_original()->set_protocol(6);
    flow.mutable_original()->set_source_port(static_cast<uint32_t>(port));
    flow.mutable_original()->set_destination_port(80);
  }
  return batch;
}

std::string Show(const std::string& encoded) {
  v1::ObserveConnectionsResponse response;
  EXPECT_TRUE(response.ParseFromString(encoded));
  return response.gateway() + v1::EventType_Name(response.type()).substr(10, 2) +
         std::to_string(response.flow().original().source_port());
}

class Recorder final : public FlowObserver {
 public:
  void Happened(const FlowKey*, v1::EventType, const std::string& encoded) override {
    seen.push_back(Show(encoded));
  }
  std::vector<std::string> seen;
};

using Strings = std::vector<std::string>;

Strings Watch(Flows* flows, const v1::ObserveFilter& wanted, size_t last,
              const std::vector<v1::EventType>& types = {}) {
  Recorder recorder;
  NumberSet wanted_types;
  for (const v1::EventType type : types) wanted_types.Add(type);
  const Filter filter = *Filter::Create(wanted);
  Strings shown;
  for (const auto& encoded : flows->Watch(&recorder, filter, wanted_types, last, false)) {
    shown.push_back(Show(encoded));
  }
  return shown;
}

TEST(FlowsTest, ShowsTheLivingThenTheEnded) {
  Flows flows;
  flows.Of("a")->Take(Batch(v1::EVENT_TYPE_NEW, {1}, 3));
  flows.Of("b")->Take(Batch(v1::EVENT_TYPE_NEW, {2}, 2));
  flows.Of("a")->Take(Batch(v1::EVENT_TYPE_DESTROY, {3}, 1));
  EXPECT_EQ(Watch(&flows, {}, 10), (Strings{"b_S2", "a_S1", "a_D3"}));
  EXPECT_EQ(Watch(&flows, {}, 2), (Strings{"a_S1", "a_D3"}));
  EXPECT_EQ(Watch(&flows, {}, 10, {v1::EVENT_TYPE_DESTROY}), (Strings{"a_D3"}));
  v1::ObserveFilter filter;
  filter.set_source_port(2);
  EXPECT_EQ(Watch(&flows, filter, 10), (Strings{"b_S2"}));
  filter.add_gateways("a");
  EXPECT_EQ(Watch(&flows, filter, 10), Strings{});
}

TEST(FlowsTest, TellsWatchersUntilTheyLeave) {
  Flows flows;
  flows.Of("a")->Take(Batch(v1::EVENT_TYPE_NEW, {1}, 1));
  Recorder recorder;
  const Filter filter = *Filter::Create({});
  EXPECT_EQ(flows.Watch(&recorder, filter, {}, 0, true).size(), 0u);
  flows.Of("a")->Take(Batch(v1::EVENT_TYPE_UPDATE, {1}, 2));
  flows.Of("b")->Take(Batch(v1::EVENT_TYPE_NEW, {2, 3}, 3));
  flows.Unwatch(&recorder);
  flows.Of("b")->Take(Batch(v1::EVENT_TYPE_DESTROY, {2}, 4));
  EXPECT_EQ(recorder.seen, (Strings{"a_U1", "b_N2", "b_N3"}));
  flows.Forget("b");
  EXPECT_EQ(Watch(&flows, {}, 10), (Strings{"a_S1"}));
}

}  // namespace
}  // namespace sluice::server
