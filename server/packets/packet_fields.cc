#include "server/packets/packet_fields.h"

namespace sluice::server {

HeaderFields::HeaderFields(const v1::Headers& headers)
    : source(headers.source()),
      destination(headers.destination()),
      more_fragments(headers.more_fragments()),
      cut_short(headers.cut_short()) {
  if (headers.has_protocol()) protocol = headers.protocol();
  if (headers.has_source_port()) source_port = headers.source_port();
  if (headers.has_destination_port()) destination_port = headers.destination_port();
  if (headers.has_tcp_flags()) tcp_flags = headers.tcp_flags();
  if (headers.has_icmp_type()) icmp_type = headers.icmp_type();
  if (headers.has_icmp_code()) icmp_code = headers.icmp_code();
  if (headers.has_icmp_id()) icmp_id = headers.icmp_id();
  if (headers.has_fragment_offset()) fragment_offset = headers.fragment_offset();
  if (headers.has_hop_limit()) hop_limit = headers.hop_limit();
  if (headers.has_traffic_class()) traffic_class = headers.traffic_class();
}

PacketFields::PacketFields(const v1::Packet& packet)
    : transaction_id(packet.transaction_id()),
      payload(packet.payload()),
      input_interface(packet.input_interface()),
      output_interface(packet.output_interface()),
      input_group(packet.input_group()),
      output_group(packet.output_group()),
      family(packet.family()),
      connection_state(packet.connection_state()),
      original_length(packet.original_length()),
      waited_us(packet.waited_us()),
      has_headers(packet.has_headers()),
      headers(packet.headers()) {}

}  // namespace sluice::server
