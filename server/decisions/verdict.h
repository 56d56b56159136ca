#pragma once

#include <cstdint>

#include "server/gateways/scope_set.h"
#include "server/policy/rule_set.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// What a policy's ruling is on the wire. A scope the agent cannot enforce is left out: the verdict
// decides this packet.
inline void FillVerdict(uint64_t transaction_id, const Ruling& ruling, const ScopeSet& scopes,
                        v1::Verdict* verdict) {
  verdict->set_transaction_id(transaction_id);
  verdict->set_action(ruling.action);
  verdict->set_reason(ruling.reason.data(), ruling.reason.size());
  if (ruling.action == v1::ACTION_DROP) verdict->set_notify(ruling.notify);
  if (ruling.scope == v1::SCOPE_PACKET || !scopes.Has(ruling.scope)) return;
  verdict->set_scope(ruling.scope);
  if (ruling.lifetime.count() > 0)
    verdict->mutable_lifetime()->set_seconds(ruling.lifetime.count());
}

}  // namespace sluice::server
