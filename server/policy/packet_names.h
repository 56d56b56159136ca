#pragma once

#include "absl/status/status.h"
#include "server/policy/checker/names.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server::policy {

// Puts into `packet` what `words` stand for; each is a name or a number, as in a policy.
// INVALID_ARGUMENT: a word means nothing, or does not fit the rest; the message says which. A
// status for which IsUnanswered holds: a name cannot be looked up now.
absl::Status FillIn(const v1::PacketNames& words, Names& names, v1::Packet* packet);

}  // namespace sluice::server::policy
