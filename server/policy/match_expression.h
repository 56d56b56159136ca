#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "server/policy/bpf_program.h"

namespace sluice::server::policy {

// Makes a program of an expression as tcpdump has them (pcap-filter(7)), for packets that begin
// with their IPv4 or IPv6 header. INVALID_ARGUMENT says in words what is wrong; those of libpcap,
// where it is libpcap that refuses. Any thread.
//
// Refused beside what libpcap refuses:
//  - names of hosts and networks: libpcap would ask the resolver for as long as it likes, where a
//    policy's other names are looked up within a deadline. Names of services and protocols
//    (`port domain`, `proto gre`) are libpcap's to look up: they are in files;
//  - what is not in an IP packet: link-layer addresses and protocols, VLANs, interfaces, direction.
//    Some of that libpcap would take and say "no" to each packet, or read at wrong places;
//  - `protochain`, whose program loops.
absl::StatusOr<BpfProgram> CompileMatch(std::string_view expression);

}  // namespace sluice::server::policy
