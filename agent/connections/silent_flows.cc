#include "agent/connections/silent_flows.h"

#include <algorithm>
#include <utility>

#include "agent/connections/flow_key.h"

namespace sluice::agent {
namespace {

using std::chrono::seconds;

// Dumps take at most one part in this many of a processor.
constexpr int kShare = 20;

v1::Flow Identity(const v1::Flow& flow) {
  v1::Flow identity;
  identity.set_family(flow.family());
  *identity.mutable_original() = flow.original();
  if (flow.has_id()) identity.set_id(flow.id());
  if (flow.has_zone()) identity.set_zone(flow.zone());
  return identity;
}

}  // namespace

void SilentFlows::Heard(const v1::Event& event) {
  if (flows_.empty() || !event.has_conntrack()) return;
  flows_.erase(FlowKey(event.conntrack().flow()));
}

void SilentFlows::DumpStarted(Instant now) {
  ++dump_;
  started_ = now;
  first_timeout_s_.reset();
  if (!flows_.empty()) due_ = now + kRarest;  // In case it breaks.
}

void SilentFlows::Seen(const v1::Event& entry) {
  const v1::Flow& flow = entry.conntrack().flow();
  if (first_) {
    if (flows_.size() >= kAtMost) return;
    flows_[FlowKey(flow)] = {Identity(flow).SerializeAsString(), dump_};
  } else if (const auto silent = flows_.find(FlowKey(flow)); silent != flows_.end()) {
    silent->second.dump = dump_;
  } else {
    return;
  }
  if (!flow.has_timeout_s()) return;
  first_timeout_s_ = std::min(first_timeout_s_.value_or(UINT32_MAX), flow.timeout_s());
}

std::vector<v1::Event> SilentFlows::DumpDone(Instant now, const google::protobuf::Timestamp& time) {
  first_ = false;
  std::vector<v1::Event> ends;
  absl::erase_if(flows_, [&](const auto& entry) {
    if (entry.second.dump == dump_) return false;
    v1::Event& end = ends.emplace_back();
    *end.mutable_time() = time;
    end.mutable_conntrack()->set_type(v1::EVENT_TYPE_DESTROY);
    end.mutable_conntrack()->set_unseen(true);
    end.mutable_conntrack()->mutable_flow()->ParseFromString(entry.second.flow);
    return true;
  });
  due_.reset();
  if (flows_.empty()) {
    flows_ = {};  // Gives its memory back.
    return ends;
  }
  // The kernel rounds what is left of a timeout down.
  const seconds left = first_timeout_s_ ? seconds(*first_timeout_s_) + seconds(1) : kRarest;
  due_ = now + std::max<Instant::duration>(std::clamp(left, kOftenest, kRarest),
                                           kShare * (now - started_));
  return ends;
}

std::optional<SilentFlows::Instant> SilentFlows::due() const { return due_; }

}  // namespace sluice::agent
