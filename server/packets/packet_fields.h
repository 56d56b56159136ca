#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sluice/v1/packet.pb.h"

namespace sluice::server {

// What deciding a packet and logging the decision need of v1::Headers. Views of the message, made
// from it implicitly, as a std::string_view is from a string.
struct HeaderFields {
  HeaderFields() = default;
  HeaderFields(const v1::Headers& headers);  // NOLINT(google-explicit-constructor)

  std::string_view source;
  std::string_view destination;
  std::optional<uint32_t> protocol;
  std::optional<uint32_t> source_port;
  std::optional<uint32_t> destination_port;
  std::optional<uint32_t> tcp_flags;
  std::optional<uint32_t> icmp_type;
  std::optional<uint32_t> icmp_code;
  std::optional<uint32_t> icmp_id;
  std::optional<uint32_t> fragment_offset;
  std::optional<uint32_t> hop_limit;
  std::optional<uint32_t> traffic_class;
  bool more_fragments = false;
  bool cut_short = false;

  bool operator==(const HeaderFields& other) const = default;
};

// The same of v1::Packet.
struct PacketFields {
  PacketFields() = default;
  PacketFields(const v1::Packet& packet);  // NOLINT(google-explicit-constructor)

  uint64_t transaction_id = 0;
  std::string_view payload;
  std::string_view input_interface;
  std::string_view output_interface;
  std::string_view input_group;
  std::string_view output_group;
  v1::Family family = v1::FAMILY_UNSPECIFIED;
  v1::ConnectionState connection_state = v1::CONNECTION_STATE_UNSPECIFIED;
  uint32_t original_length = 0;
  uint32_t waited_us = 0;
  bool has_headers = false;  // Without, all of `headers` is as if absent.
  HeaderFields headers;

  bool operator==(const PacketFields& other) const = default;
};

}  // namespace sluice::server
