#pragma once

#include "absl/status/status.h"
#include "server/policy/names.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server::policy {

// Puts into `packet` what the names in it stand for, each of which may be a number, too, as in a
// policy. INVALID_ARGUMENT says what is not known, or does not fit the rest; IsUnanswered: that
// cannot be known now.
absl::Status FillIn(const v1::PacketNames& words, Names& names, v1::Packet* packet);

}  // namespace sluice::server::policy
