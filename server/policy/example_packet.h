#pragma once

#include <cstddef>
#include <optional>

#include "server/policy/checked_policy.h"
#include "server/policy/packet_view.h"

namespace sluice::server::policy {

// A packet of the family (4 or 16, as sizes of addresses) and of the class (ProtocolClasses) that
// the rule matches, `match` left aside. Nothing where the first that come to mind do not do. Its
// texts are the rule's.
std::optional<PacketView> ExamplePacket(const CheckedRule& rule, size_t family, size_t of_class);

}  // namespace sluice::server::policy
