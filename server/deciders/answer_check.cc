#include "server/deciders/answer_check.h"

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "server/streams/durations.h"

namespace sluice::server {
namespace {

// The limits of decision.proto; NFQUEUE numbers have 16 bits.
constexpr size_t kLargestPayload = 65'531;
constexpr uint32_t kHighestQueue = 65'535;

template <typename List, typename Value>
bool Contains(const List& list, Value value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

v1::Action ActionOf(const v1::Verdict& verdict) {
  return verdict.action() == v1::ACTION_UNSPECIFIED ? v1::ACTION_DROP : verdict.action();
}

std::string_view PayloadObjection(const v1::Verdict& verdict, const v1::Packet& packet,
                                  const v1::Capabilities& able) {
  if (!able.rewrite()) return "this gateway's agent cannot replace a payload";
  if (packet.payload().size() < packet.original_length() || packet.payload().empty()) {
    return "the packet was not copied whole: its payload cannot be replaced";
  }
  if (packet.gso()) return "the packet is several segments: its payload cannot be replaced";
  if (verdict.payload().size() > kLargestPayload) return "a packet has at most 65531 bytes";
  return {};
}

}  // namespace

std::string_view Objection(const v1::Verdict& verdict, const v1::Packet& packet,
                           const v1::DecideHello& hello) {
  const v1::Action action = ActionOf(verdict);
  const v1::Capabilities& able = hello.capabilities();
  if (!v1::Action_IsValid(action)) return "there is no such action";
  if (hello.has_capabilities() && !Contains(able.actions(), action)) {
    return "this gateway's agent cannot carry out that action";
  }
  if (action == v1::ACTION_DROP) {
    if (verdict.notify() == v1::NOTIFY_UNSPECIFIED) return {};
    if (!v1::Notify_IsValid(verdict.notify())) return "there is no such notice";
    if (hello.has_capabilities() && !Contains(able.notifies(), verdict.notify())) {
      return "this gateway's agent cannot send that notice";
    }
    return {};
  }
  if (action == v1::ACTION_HOLD) {
    if (ToDuration(hello.hold_limit()).count() == 0) return "this gateway holds no packets";
    if (ToDuration(verdict.hold_for()).count() == 0) return "hold_for: more than 0 is needed";
    return {};
  }
  if (action == v1::ACTION_REQUEUE && verdict.requeue_to() > kHighestQueue) {
    return "requeue_to: queues have numbers up to 65535";
  }
  return verdict.has_payload() ? PayloadObjection(verdict, packet, able) : std::string_view();
}

void Tidy(v1::Verdict* verdict) {
  const v1::Action action = ActionOf(*verdict);
  if (action == v1::ACTION_DROP || action == v1::ACTION_HOLD) verdict->clear_payload();
  const bool decides = action == v1::ACTION_ACCEPT || action == v1::ACTION_DROP;
  if (!decides || !v1::Scope_IsValid(verdict->scope())) {
    verdict->clear_scope();
    verdict->clear_lifetime();
  }
}

}  // namespace sluice::server
