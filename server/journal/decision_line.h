#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/journal/decision_record.h"
#include "sluice/v1/stats.pb.h"

namespace sluice::server {

// Lines of the log of decisions: `key=value` words, times in UTC. A value is quoted, with C's
// escapes, if it is empty or has characters other than letters, digits and a few signs.

// A decision:
//   time=2026-11-21T16:36:37.123456Z gateway=gw1 action=drop notify=tcp_reset proto=tcp
//   src=10.0.0.1 sport=40000 dst=10.0.1.1 dport=22 len=60 in=eth0 out=eth1 rule=3 policy=12
//   waited_us=350 reason="rule 3 \"mail\", line 7"
std::string DecisionLine(const std::string& gateway, const DecisionRecord& record);

// Takes the place of `lines` missing lines, of `gateway` if it is not empty.
std::string LeftOutLine(std::chrono::system_clock::time_point now, std::string_view gateway,
                        uint64_t lines, std::string_view why);

// The server's decisions since the last report.
std::string ServerReportLine(std::chrono::system_clock::time_point now, uint64_t accepted,
                             uint64_t dropped, uint64_t lines, uint64_t left_out);

// A gateway's counters since its agent started: packets asked about, packets that got the fallback,
// and packets the kernel decided by remembered verdicts.
std::string GatewayReportLine(std::chrono::system_clock::time_point now,
                              const v1::GatewayStats& stats);

}  // namespace sluice::server
