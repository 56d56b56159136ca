#include "agent/packets/packet_messages.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "agent/netfilter/mark_bits.h"
#include "proto/text/text.h"

namespace sluice::agent {
namespace {

// Enough for a burst; more are freed.
constexpr size_t kMaxSpare = 1024;
// A message that held a large packet is not worth keeping.
constexpr size_t kMaxSparePayload = 4096;

v1::Hook HookOf(uint8_t hook) {
  // NF_INET_PRE_ROUTING is 0; the wire counts from 1.
  return hook < v1::HOOK_POSTROUTING ? static_cast<v1::Hook>(hook + 1) : v1::HOOK_UNSPECIFIED;
}

v1::ConnectionState StateOf(uint32_t number) {
  // TrackedState has the wire's numbers.
  return v1::ConnectionState_IsValid(static_cast<int>(number))
             ? static_cast<v1::ConnectionState>(number)
             : v1::CONNECTION_STATE_UNSPECIFIED;
}
static_assert(static_cast<int>(TrackedState::kInvalid) == v1::CONNECTION_STATE_INVALID);

// Assigns in place: the setters of protobuf 3.21 make a string of their own first, which allocates.
void Assign(std::span<const uint8_t> bytes, std::string* field) {
  field->assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// What the kernel sends with few packets only.
void FillRarities(const QueuedPacket& packet, v1::Packet& message) {
  message.clear_uid();
  message.clear_gid();
  message.clear_priority();
  message.clear_vlan_tci();
  message.clear_vlan_protocol();
  if (packet.uid) message.set_uid(*packet.uid);
  if (packet.gid) message.set_gid(*packet.gid);
  if (packet.priority) message.set_priority(*packet.priority);
  if (packet.vlan_tci) message.set_vlan_tci(*packet.vlan_tci);
  if (packet.vlan_protocol) message.set_vlan_protocol(*packet.vlan_protocol);
  Assign(packet.l2_header, message.mutable_l2_header());
  if (packet.security_context.empty()) {
    message.clear_security_context();
  } else {
    message.set_security_context(EscapeName(packet.security_context));
  }
}

}  // namespace

const PacketMessages::Interface& PacketMessages::Look(uint32_t ifindex) {
  static constexpr Interface kNone;
  if (ifindex == 0 || links_ == nullptr) return kNone;
  if (const uint64_t generation = links_->generation(); generation != generation_) {
    snapshot_ = links_->Snapshot();
    generation_ = generation;
    interfaces_.clear();
    for (const auto& [index, link] : *snapshot_) {
      interfaces_[index] = {link.name, groups_ == nullptr ? "" : groups_->GroupOf(link.name),
                            link.type};
    }
  }
  const auto found = interfaces_.find(ifindex);
  return found == interfaces_.end() ? kNone : found->second;
}

// A recycled message still holds its last packet, so every field is set, or cleared, here.
std::unique_ptr<v1::Packet> PacketMessages::Make(const QueuedPacket& packet,
                                                 const PacketHeaders& headers, uint32_t shown_bytes,
                                                 uint32_t mark_mask, int64_t arrival_realtime_ns) {
  std::unique_ptr<v1::Packet> made;
  if (spare_.empty()) {
    made = std::make_unique<v1::Packet>();
  } else {
    made = std::move(spare_.back());
    spare_.pop_back();
  }
  v1::Packet& message = *made;
  message.set_family(headers.family);
  Assign(packet.payload.first(std::min<size_t>(packet.payload.size(), shown_bytes)),
         message.mutable_payload());
  message.set_original_length(packet.original_length);
  if (packet.has_payload) {
    FillHeaders(headers, *message.mutable_headers());
  } else {
    message.clear_headers();
  }
  message.set_arrival_time_ns(arrival_realtime_ns);
  message.set_arrival_clock(packet.timestamp_ns ? v1::ARRIVAL_CLOCK_KERNEL
                                                : v1::ARRIVAL_CLOCK_AGENT);
  message.set_hook(HookOf(packet.hook));
  message.set_mark(packet.mark & ~mark_mask);
  message.set_connection_state(StateOf(StateNumber(mark_mask, packet.mark)));

  const Interface& input = Look(packet.input_ifindex);
  message.set_input_ifindex(packet.input_ifindex);
  message.mutable_input_interface()->assign(input.name);
  message.mutable_input_group()->assign(input.group);
  message.set_hw_type(input.type);
  const Interface& output = Look(packet.output_ifindex);
  message.set_output_ifindex(packet.output_ifindex);
  message.mutable_output_interface()->assign(output.name);
  message.mutable_output_group()->assign(output.group);
  message.mutable_physical_input_interface()->assign(Look(packet.physical_input_ifindex).name);
  message.mutable_physical_output_interface()->assign(Look(packet.physical_output_ifindex).name);

  message.set_hw_protocol(packet.hw_protocol);
  Assign(packet.hw_address, message.mutable_hw_address());
  message.set_skb_info(packet.skb_info);
  message.set_gso((packet.skb_info & kSkbGso) != 0);
  FillRarities(packet, message);
  return made;
}

void PacketMessages::Recycle(std::unique_ptr<v1::Packet> message) {
  if (message == nullptr || spare_.size() >= kMaxSpare) return;
  if (message->payload().size() > kMaxSparePayload) return;
  spare_.push_back(std::move(message));
}

}  // namespace sluice::agent
