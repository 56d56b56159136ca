#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/policy/terms/bpf_program.h"

namespace sluice::server::policy {

// OK if libpcap can read the expression without asking a name server, and the expression asks only
// for what is in an IP packet. Otherwise INVALID_ARGUMENT with the word that prevents it. Splits
// the expression into words as libpcap does, but checks no grammar.
absl::Status CheckMatchWords(std::string_view expression);

// Compiles a tcpdump expression (pcap-filter(7)) for packets that begin with their IPv4 or IPv6
// header. INVALID_ARGUMENT says in words what is wrong, in libpcap's words where libpcap refuses.
// Any thread.
//
// Refused in addition to what libpcap refuses:
//  - names of hosts and networks: libpcap would ask the resolver for as long as it likes, while a
//    policy's other names are looked up within a deadline. Names of services and protocols
//    (`port domain`, `proto gre`) are left to libpcap, since they are in files;
//  - what is not in an IP packet: link-layer addresses and protocols, VLANs, interfaces, direction.
//    libpcap would accept some of these and then match no packet, or read at wrong places;
//  - `protochain`, whose program loops.
absl::StatusOr<BpfProgram> CompileMatch(std::string_view expression);

}  // namespace sluice::server::policy
