#include "server/trials/policy_trial.h"

#include <algorithm>
#include <utility>

#include "server/policy/policy_ruling.h"

namespace sluice::server {
namespace {

// The part of a packet that people are shown; the payload may be large or secret.
v1::Packet WithoutPayload(const v1::Packet& packet) {
  v1::Packet shown;
  shown.set_transaction_id(packet.transaction_id());
  shown.set_family(packet.family());
  *shown.mutable_headers() = packet.headers();
  shown.set_original_length(packet.original_length());
  shown.set_input_interface(packet.input_interface());
  shown.set_output_interface(packet.output_interface());
  shown.set_input_group(packet.input_group());
  shown.set_output_group(packet.output_group());
  shown.set_connection_state(packet.connection_state());
  return shown;
}

}  // namespace

PolicyTrial::PolicyTrial(std::shared_ptr<const RuleSet> tried,
                         absl::flat_hash_set<std::string> gateways)
    : tried_(std::move(tried)), gateways_(std::move(gateways)) {}

void PolicyTrial::Compare(const std::string& gateway, const v1::PacketBatch& batch,
                          const LiveRulings& live, const Clock& clock) {
  std::vector<std::pair<int, Ruling>> differing;
  int compared = 0;
  for (Time begin = clock(); compared < batch.packets_size(); ++compared) {
    if (ended_.load(std::memory_order_relaxed)) return;
    if (budget_.Resting(begin)) break;
    const Ruling tried = tried_->Decide(batch.packets(compared));
    if (!SameEffect(live.rulings[static_cast<size_t>(compared)], tried)) {
      differing.emplace_back(compared, tried);
    }
    const Time end = clock();
    budget_.Spend(begin, end);
    begin = end;
  }
  LeaveOut(static_cast<size_t>(batch.packets_size() - compared));
  MutexLock lock(mutex_);
  packets_ += static_cast<uint64_t>(compared);
  differing_ += differing.size();
  live_version_ = live.version;
  ++batches_;
  // From the back, so that only the latest example of each kind is copied.
  for (auto at = differing.rbegin(); at != differing.rend(); ++at) {
    Count(gateway, batch.packets(at->first), live.rulings[static_cast<size_t>(at->first)],
          at->second, live.version);
  }
}

void PolicyTrial::Count(const std::string& gateway, const v1::Packet& packet, const Ruling& live,
                        const Ruling& tried, uint64_t live_version) {
  const Key key(live_version, live.rule, tried.rule);
  auto found = kinds_.find(key);
  if (found == kinds_.end()) {
    if (kinds_.size() >= kKinds) {
      ++others_;
      return;
    }
    found = kinds_.try_emplace(key).first;
    *found->second.difference.mutable_live() = ToProto(live);
    *found->second.difference.mutable_tried() = ToProto(tried);
  }
  Kind& kind = found->second;
  ++kind.packets;
  if (std::exchange(kind.batch, batches_) == batches_) return;
  *kind.difference.mutable_example() = WithoutPayload(packet);
  kind.difference.set_gateway(gateway);
}

v1::TryPolicyResponse PolicyTrial::Take() {
  v1::TryPolicyResponse response;
  MutexLock lock(mutex_);
  response.set_packets(packets_);
  response.set_differing(differing_);
  response.set_others(others_);
  response.set_policy_version(live_version_);
  response.set_left_out(left_out_.load(std::memory_order_relaxed));
  std::vector<Kind*> changed;
  for (auto& [key, kind] : kinds_) {
    if (kind.told != kind.packets) changed.push_back(&kind);
  }
  const size_t told = std::min(changed.size(), kTold);
  std::partial_sort(changed.begin(), changed.begin() + static_cast<long>(told), changed.end(),
                    [](const Kind* a, const Kind* b) { return a->packets > b->packets; });
  changed.resize(told);
  for (Kind* kind : changed) {
    kind->told = kind->packets;
    kind->difference.set_packets(kind->packets);
    *response.add_differences() = kind->difference;
  }
  return response;
}

}  // namespace sluice::server
