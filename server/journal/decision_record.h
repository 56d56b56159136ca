#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/journal/filter.h"
#include "server/packets/packet_fields.h"
#include "sluice/v1/event.pb.h"
#include "sluice/v1/observe.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server {

// One decision as the log keeps it: of fixed size, without allocated memory. One is kept for every
// packet and converted into a v1::Decision only when somebody observes it.
struct DecisionRecord {
  // Set what is known of the packet, from the batch or from the agent's packet event. SetPacket
  // sets everything a batch has.
  void SetPacket(const PacketFields& packet);
  void SetHeaders(v1::Family packet_family, const HeaderFields& headers);
  void SetInterfaces(std::string_view input, std::string_view output);
  void SetReason(std::string_view text);

  Traits traits() const;
  std::string_view InputInterface() const;
  std::string_view OutputInterface() const;
  std::string_view Reason() const;
  void Show(const std::string& gateway, v1::Decision* decision) const;

  int64_t time_ns;  // Since the Unix epoch.
  uint64_t transaction_id;
  uint64_t policy_version;
  uint64_t waited_us;
  uint32_t length;
  uint32_t queue;
  uint32_t rule;  // From 1; 0 for no rule and for the default.
  uint32_t fragment_offset;
  uint16_t source_port;
  uint16_t destination_port;
  uint16_t icmp_id;
  uint8_t family;    // v1::Family
  uint8_t action;    // v1::Action
  uint8_t notify;    // v1::Notify
  uint8_t cause;     // v1::Cause
  uint8_t scope;     // v1::Scope
  uint8_t protocol;  // IANA number; known if has_protocol.
  uint8_t tcp_flags;
  uint8_t icmp_type;
  uint8_t icmp_code;
  uint8_t hop_limit;
  uint8_t traffic_class;
  uint8_t address_bytes;  // 4, 16, or 0 if not known.
  bool has_protocol : 1;
  bool has_source_port : 1;
  bool has_destination_port : 1;
  bool has_tcp_flags : 1;
  bool has_icmp_type : 1;
  bool has_icmp_code : 1;
  bool has_icmp_id : 1;
  bool has_fragment : 1;  // fragment_offset and more_fragments are known.
  bool has_hop_limit : 1;
  bool has_traffic_class : 1;
  bool more_fragments : 1;
  bool cut_short : 1;
  bool logged : 1;
  char source[16];
  char destination[16];
  // As the kernel has them, not escaped. Ended by NUL if shorter; longer ones are cut.
  char input_interface[16];  // Linux names have at most 15 bytes (IFNAMSIZ).
  char output_interface[16];
  // Room for `"a decider" did not answer in time: rule 12 "…", line 345`; names are cut to 64.
  char reason[128];
};

// The cause in words for people.
std::string_view Words(v1::Cause cause);

}  // namespace sluice::server
