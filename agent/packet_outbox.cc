#include "agent/packet_outbox.h"

#include <algorithm>
#include <utility>

namespace sluice::agent {
namespace {

constexpr size_t kMaxPackets = 1024;
constexpr size_t kMaxBytes = 1024 * 1024;
// Of a packet's message beside its payload, addresses and names.
constexpr size_t kMessageOverhead = 160;
// Enough for a burst; the rest of the memory is given back.
constexpr size_t kMaxSpare = 8;

v1::Hook HookOf(uint8_t hook) {
  // NF_INET_PRE_ROUTING is 0; the wire counts from 1.
  return hook < v1::HOOK_POSTROUTING ? static_cast<v1::Hook>(hook + 1) : v1::HOOK_UNSPECIFIED;
}

}  // namespace

const Link* PacketOutbox::FindLink(uint32_t ifindex) {
  if (ifindex == 0 || links_ == nullptr) return nullptr;
  if (const uint64_t generation = links_->generation(); generation != generation_) {
    snapshot_ = links_->Snapshot();
    generation_ = generation;
  }
  const auto link = snapshot_->find(ifindex);
  return link == snapshot_->end() ? nullptr : &link->second;
}

std::string_view PacketOutbox::LinkName(uint32_t ifindex) {
  const Link* link = FindLink(ifindex);
  return link == nullptr ? std::string_view() : link->name;
}

PacketOutbox::Batch& PacketOutbox::Current(size_t bytes) {
  if (!batches_.empty()) {
    Batch& last = *batches_.back();
    if (last.times.size() < kMaxPackets && last.bytes + bytes <= kMaxBytes) return last;
  }
  if (spare_.empty()) {
    batches_.push_back(std::make_unique<Batch>());
  } else {
    batches_.push_back(std::move(spare_.back()));
    spare_.pop_back();
  }
  return *batches_.back();
}

void PacketOutbox::Add(const QueuedPacket& packet, const PendingPacket& pending, uint32_t mark,
                       int64_t arrival_realtime_ns, bool kernel_clock) {
  const size_t bytes = packet.payload.size() + kMessageOverhead;
  Batch& batch = Current(bytes);
  batch.bytes += bytes;
  batch.times.push_back({pending.arrival_ns, pending.deadline_ns});

  v1::Packet& message = *batch.message.add_packets();
  message.set_transaction_id(pending.transaction_id);
  message.set_family(pending.headers.family);
  if (packet.has_payload) {
    message.set_payload(packet.payload.data(), packet.payload.size());
    message.set_original_length(packet.original_length);
    FillHeaders(pending.headers, *message.mutable_headers());
  }
  message.set_arrival_time_ns(arrival_realtime_ns);
  message.set_arrival_clock(kernel_clock ? v1::ARRIVAL_CLOCK_KERNEL : v1::ARRIVAL_CLOCK_AGENT);
  message.set_hook(HookOf(packet.hook));
  message.set_mark(mark);
  message.set_input_ifindex(packet.input_ifindex);
  message.set_output_ifindex(packet.output_ifindex);
  if (const Link* link = FindLink(packet.input_ifindex)) {
    message.set_input_interface(link->name);
    message.set_hw_type(link->type);
  }
  if (const Link* link = FindLink(packet.output_ifindex)) {
    message.set_output_interface(link->name);
  }
  if (const Link* link = FindLink(packet.physical_input_ifindex)) {
    message.set_physical_input_interface(link->name);
  }
  if (const Link* link = FindLink(packet.physical_output_ifindex)) {
    message.set_physical_output_interface(link->name);
  }
  message.set_hw_protocol(packet.hw_protocol);
  if (!packet.hw_address.empty()) {
    message.set_hw_address(packet.hw_address.data(), packet.hw_address.size());
  }
  if (packet.uid) message.set_uid(*packet.uid);
  if (packet.gid) message.set_gid(*packet.gid);
  if (packet.priority) message.set_priority(*packet.priority);
  if (packet.vlan_tci) message.set_vlan_tci(*packet.vlan_tci);
  if (packet.vlan_protocol) message.set_vlan_protocol(*packet.vlan_protocol);
  if (!packet.l2_header.empty()) {
    message.set_l2_header(packet.l2_header.data(), packet.l2_header.size());
  }
  if (!packet.security_context.empty()) {
    message.set_security_context(packet.security_context.data(), packet.security_context.size());
  }
  message.set_skb_info(packet.skb_info);
  message.set_gso((packet.skb_info & kSkbGso) != 0);
}

v1::PacketBatch* PacketOutbox::Next(int64_t now_ns, int64_t travel_ns,
                                    const PendingTable& pending) {
  while (!batches_.empty()) {
    Batch& batch = *batches_.front();
    // Deadlines are in order of arrival, so what is too late stands in front.
    size_t gone = 0;
    while (gone < batch.times.size() &&
           (batch.times[gone].deadline_ns <= now_ns + travel_ns ||
            !pending.Contains(batch.message.packets(static_cast<int>(gone)).transaction_id()))) {
      ++gone;
    }
    if (gone != 0) {
      batch.message.mutable_packets()->DeleteSubrange(0, static_cast<int>(gone));
      batch.times.erase(batch.times.begin(), batch.times.begin() + static_cast<ptrdiff_t>(gone));
    }
    if (batch.times.empty()) {
      Pop();
      continue;
    }
    for (size_t i = 0; i < batch.times.size(); ++i) {
      batch.message.mutable_packets(static_cast<int>(i))
          ->set_waited_us(static_cast<uint32_t>((now_ns - batch.times[i].arrival_ns) / 1000));
    }
    const int64_t left_ns = batch.times.front().deadline_ns - now_ns - travel_ns;
    auto* time_left = batch.message.mutable_time_left();
    time_left->set_seconds(left_ns / 1'000'000'000);
    time_left->set_nanos(static_cast<int32_t>(left_ns % 1'000'000'000));
    return &batch.message;
  }
  return nullptr;
}

void PacketOutbox::Pop() {
  Recycle(std::move(batches_.front()));
  batches_.pop_front();
}

void PacketOutbox::Clear() {
  while (!batches_.empty()) Pop();
}

void PacketOutbox::Recycle(std::unique_ptr<Batch> batch) {
  if (spare_.size() >= kMaxSpare) return;
  batch->message.Clear();
  batch->times.clear();
  batch->bytes = 0;
  spare_.push_back(std::move(batch));
}

}  // namespace sluice::agent
