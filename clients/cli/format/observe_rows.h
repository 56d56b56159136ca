#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "clients/cli/format/table.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/observe.pb.h"

namespace sluice::cli {

// The table of `observe decisions`, and the row of a decision.
std::vector<Column> DecisionColumns();
std::vector<Cell> DecisionRow(const v1::Decision& decision,
                              std::chrono::system_clock::time_point now);

// The table of `policy test`, and the row of a packet.
std::vector<Column> TestColumns();
std::vector<Cell> TestRow(const google::protobuf::Timestamp& time, uint32_t length,
                          v1::ConnectionState state, const v1::TestPolicyResponse::Result& result,
                          std::chrono::system_clock::time_point now);

// "tcp 10.0.0.1:1 > 10.0.0.2:80 SYN".
std::string PacketLine(const v1::Headers& headers);

// The table of `screen`, and the row of a packet to decide.
std::vector<Column> PacketColumns();
std::vector<Cell> PacketRow(uint64_t number, const v1::Packet& packet);

// The table of `observe connections`, and the row of an event.
std::vector<Column> ConnectionColumns();
std::vector<Cell> ConnectionRow(const v1::ObserveConnectionsResponse& entry,
                                std::chrono::system_clock::time_point now);

// The line that stands where entries are missing.
Cell LostLine(uint64_t lost);
// The line for a gap in a gateway's conntrack events, or for its end.
Cell GapLine(const v1::ObserveConnectionsResponse& entry);

}  // namespace sluice::cli
