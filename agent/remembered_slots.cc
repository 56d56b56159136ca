#include "agent/remembered_slots.h"

#include <algorithm>
#include <utility>

#include "agent/notifications.h"

namespace sluice::agent {
namespace {

// decision.proto, Verdict.lifetime.
constexpr int64_t kDefaultLifetime = 60;
constexpr int64_t kLongestLifetime = int64_t{24} * 3600;

std::optional<RememberedScope> ScopeOf(v1::Scope scope) {
  switch (scope) {
    case v1::SCOPE_CONNECTION:
      return RememberedScope::kConnection;
    case v1::SCOPE_PEER:
      return RememberedScope::kPeer;
    case v1::SCOPE_SOURCE:
      return RememberedScope::kSource;
    default:
      return std::nullopt;
  }
}

}  // namespace

absl::StatusOr<std::optional<RememberedKind>> KindOf(const v1::Verdict& verdict) {
  const std::optional<RememberedScope> scope = ScopeOf(verdict.scope());
  if (!scope) return std::nullopt;
  const bool accept = verdict.action() == v1::ACTION_ACCEPT;
  if (!accept && verdict.action() != v1::ACTION_DROP &&
      verdict.action() != v1::ACTION_UNSPECIFIED) {
    return absl::InvalidArgumentError(
        "scope: only ACTION_ACCEPT and ACTION_DROP can be remembered");
  }
  // Whole seconds: never longer than was said.
  const int64_t lifetime = verdict.has_lifetime() ? verdict.lifetime().seconds() : kDefaultLifetime;
  if (lifetime < 1 || lifetime > kLongestLifetime) {
    return absl::InvalidArgumentError("lifetime: from a second to a day");
  }
  if (accept && (verdict.has_payload() || verdict.mark_mask() != 0)) return std::nullopt;
  RememberedKind kind{.accept = accept, .scope = *scope};
  if (!accept) kind.notification = NotificationOf(verdict.notify());
  if (!accept || *scope != RememberedScope::kConnection) {
    kind.lifetime_s = static_cast<uint32_t>(lifetime);
  }
  return kind;
}

void RememberedSlots::SetPolicy(const std::string& version) {
  if (memory_ == nullptr || policy_version_ == version) return;
  Stop();
  policy_version_ = version;
  memory_->PolicyIs(version);
}

void RememberedSlots::Stop() {
  ++era_;
  active_ = false;
}

void RememberedSlots::Start(const Rememberable& rememberable) {
  std::vector<Known> known;
  for (const RememberedSlot& slot : rememberable.slots) known.push_back({slot.kind, slot.number});
  if (rememberable.epoch == epoch_) {
    for (const Known& one : known_) {
      if (!one.number && std::none_of(known.begin(), known.end(),
                                      [&](const Known& other) { return other.kind == one.kind; })) {
        known.push_back(one);
      }
    }
  }
  known_ = std::move(known);
  epoch_ = rememberable.epoch;
  active_ = policy_version_ == rememberable.policy_version;
}

uint32_t RememberedSlots::SlotFor(const RememberedKind& kind, uint32_t era) {
  if (!active_ || era != era_) return 0;
  for (const Known& known : known_) {
    if (known.kind != kind) continue;
    if (known.number == 0u) ++unslotted_;
    return known.number.value_or(0);
  }
  // Once there is no mark left for the connections of other devices, they are entered in sets.
  const auto connections = [](const RememberedKind& one) {
    return one.accept && one.scope == RememberedScope::kConnection;
  };
  if (connections(kind) && std::any_of(known_.begin(), known_.end(), [&](const Known& one) {
        return connections(one.kind) && one.number == kEnteredConnectionSlot;
      })) {
    return kEnteredConnectionSlot;
  }
  if (known_.size() >= kMostKinds) {
    ++unslotted_;
    return 0;
  }
  known_.push_back({kind, std::nullopt});
  memory_->WantSlot(epoch_, kind);
  return 0;
}

}  // namespace sluice::agent
