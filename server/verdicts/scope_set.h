#pragma once

#include <cstdint>

#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// The scopes an agent can enforce (Capabilities.scopes).
class ScopeSet final {
 public:
  ScopeSet() = default;
  explicit ScopeSet(const v1::Capabilities& capabilities) {
    for (const int scope : capabilities.scopes()) {
      if (v1::Scope_IsValid(scope)) bits_ |= Bit(static_cast<v1::Scope>(scope));
    }
  }

  bool Has(v1::Scope scope) const { return (bits_ & Bit(scope)) != 0; }

 private:
  static uint32_t Bit(v1::Scope scope) { return uint32_t{1} << scope; }

  // Deciding a single packet needs nothing remembered, so every agent can.
  uint32_t bits_ = Bit(v1::SCOPE_UNSPECIFIED) | Bit(v1::SCOPE_PACKET);
};

}  // namespace sluice::server
