#pragma once

#include <ostream>

#include "sluice/v1/stats.pb.h"

namespace sluice::cli {

// A page of a gateway's counters: screenstat(8)'s layout first, then what it had no place for.
// With `before`, an earlier reading of the same agent, a second row says how many a second.
void PrintStatPage(const v1::GatewayStats& stats, const v1::GatewayStats* before, bool color,
                   std::ostream& out);

}  // namespace sluice::cli
