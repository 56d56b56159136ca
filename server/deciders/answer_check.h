#pragma once

#include <string_view>

#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// Why the gateway that sent `hello` cannot carry out a decider's answer on a relayed packet; empty
// if it can.
std::string_view Objection(const v1::Verdict& verdict, const v1::Packet& packet,
                           const v1::DecideHello& hello);

// Clears the fields that have no meaning with the verdict's action.
void Tidy(v1::Verdict* verdict);

}  // namespace sluice::server
