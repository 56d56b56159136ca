#include "agent/packets/remembered_slots.h"

#include <algorithm>
#include <utility>

#include "agent/packets/notices.h"

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
  // Whole seconds: never longer than the verdict says.
  const int64_t lifetime = verdict.has_lifetime() ? verdict.lifetime().seconds() : kDefaultLifetime;
  if (lifetime < 1 || lifetime > kLongestLifetime) {
    return absl::InvalidArgumentError("lifetime: from a second to a day");
  }
  if (accept && (verdict.has_payload() || verdict.mark_mask() != 0)) return std::nullopt;
  RememberedKind kind{.accept = accept, .scope = *scope};
  if (!accept) kind.notice = NoticeOf(verdict.notify());
  if (!accept || *scope != RememberedScope::kConnection) {
    kind.lifetime_s = static_cast<uint32_t>(lifetime);
  }
  return kind;
}

void RememberedSlots::SetPolicy(const std::string& token, const std::string& label) {
  if (memory_ == nullptr || policy_token_ == token) return;
  Stop();
  policy_token_ = token;
  memory_->PolicyIs(token, label);
}

void RememberedSlots::Stop() {
  ++view_;
  active_ = false;
}

void RememberedSlots::Start(const Rememberable& rememberable) {
  std::vector<Known> known;
  for (const RememberedSlot& slot : rememberable.slots) known.push_back({slot.kind, slot.number});
  if (rememberable.generation == generation_) {
    for (const Known& one : known_) {
      if (!one.number && std::none_of(known.begin(), known.end(),
                                      [&](const Known& other) { return other.kind == one.kind; })) {
        known.push_back(one);
      }
    }
  }
  known_ = std::move(known);
  generation_ = rememberable.generation;
  active_ = policy_token_ == rememberable.policy_token;
}

uint32_t RememberedSlots::SlotFor(const RememberedKind& kind, uint32_t view) {
  if (!active_ || view != view_) return 0;
  for (const Known& known : known_) {
    if (known.kind != kind) continue;
    if (known.number == 0u) ++unslotted_;
    return known.number.value_or(0);
  }
  // When no mark is left for another pair of devices, its connections are entered in sets.
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
  memory_->WantSlot(generation_, kind);
  return 0;
}

}  // namespace sluice::agent
