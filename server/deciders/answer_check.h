#pragma once

#include <string_view>

#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// Why a decider's answer on a relayed packet cannot be carried out by the gateway that said
// `hello`; empty if it can.
std::string_view Objection(const v1::Verdict& verdict, const v1::Packet& packet,
                           const v1::DecideHello& hello);

// Leaves out what means nothing with its action.
void Tidy(v1::Verdict* verdict);

}  // namespace sluice::server
