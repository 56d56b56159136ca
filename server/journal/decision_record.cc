#include "server/journal/decision_record.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstring>

#include "proto/text/text.h"

namespace sluice::server {
namespace {

template <size_t kSize>
void Copy(std::string_view from, char (&to)[kSize]) {
  const size_t length = std::min(from.size(), kSize);
  std::copy_n(from.begin(), length, to);
  if (length < kSize) to[length] = '\0';
}

template <size_t kSize>
std::string_view View(const char (&from)[kSize]) {
  return std::string_view(from, strnlen(from, kSize));
}

// Copies a name in the kernel's form. Escaped, as it comes over the wire, it may be four times as
// long.
template <size_t kSize>
void CopyName(std::string_view escaped, char (&to)[kSize]) {
  if (escaped.find('\\') == std::string_view::npos) {
    Copy(escaped, to);
  } else {
    Copy(UnescapeName(escaped), to);
  }
}

}  // namespace

void DecisionRecord::SetPacket(const PacketFields& packet) {
  SetHeaders(packet.family, packet.headers);
  SetInterfaces(packet.input_interface, packet.output_interface);
  transaction_id = packet.transaction_id;
  waited_us = packet.waited_us;
  length = packet.original_length;
}

void DecisionRecord::SetHeaders(v1::Family packet_family, const HeaderFields& headers) {
  family = static_cast<uint8_t>(packet_family);
  has_protocol = headers.protocol.has_value();
  protocol = static_cast<uint8_t>(headers.protocol.value_or(0));
  const size_t bytes = headers.source.size();
  const bool known = (bytes == 4 || bytes == 16) && headers.destination.size() == bytes;
  address_bytes = known ? static_cast<uint8_t>(bytes) : 0;
  if (known) {
    std::memcpy(source, headers.source.data(), bytes);
    std::memcpy(destination, headers.destination.data(), bytes);
  }
  has_source_port = headers.source_port.has_value();
  source_port = static_cast<uint16_t>(headers.source_port.value_or(0));
  has_destination_port = headers.destination_port.has_value();
  destination_port = static_cast<uint16_t>(headers.destination_port.value_or(0));
  has_tcp_flags = headers.tcp_flags.has_value();
  tcp_flags = static_cast<uint8_t>(headers.tcp_flags.value_or(0));
  has_icmp_type = headers.icmp_type.has_value();
  icmp_type = static_cast<uint8_t>(headers.icmp_type.value_or(0));
  has_icmp_code = headers.icmp_code.has_value();
  icmp_code = static_cast<uint8_t>(headers.icmp_code.value_or(0));
  has_icmp_id = headers.icmp_id.has_value();
  icmp_id = static_cast<uint16_t>(headers.icmp_id.value_or(0));
  has_fragment = headers.fragment_offset.has_value();
  fragment_offset = headers.fragment_offset.value_or(0);
  more_fragments = headers.more_fragments;
  has_hop_limit = headers.hop_limit.has_value();
  hop_limit = static_cast<uint8_t>(headers.hop_limit.value_or(0));
  has_traffic_class = headers.traffic_class.has_value();
  traffic_class = static_cast<uint8_t>(headers.traffic_class.value_or(0));
  cut_short = headers.cut_short;
}

void DecisionRecord::SetInterfaces(std::string_view input, std::string_view output) {
  CopyName(input, input_interface);
  CopyName(output, output_interface);
}

void DecisionRecord::SetReason(std::string_view text) {
  Copy(Beginning(text, sizeof(reason)), reason);
}

std::string_view DecisionRecord::InputInterface() const { return View(input_interface); }

std::string_view DecisionRecord::OutputInterface() const { return View(output_interface); }

std::string_view DecisionRecord::Reason() const { return View(reason); }

Traits DecisionRecord::traits() const {
  Traits traits;
  traits.family = static_cast<v1::Family>(family);
  if (has_protocol) traits.protocol = protocol;
  traits.source = std::string_view(source, address_bytes);
  traits.destination = std::string_view(destination, address_bytes);
  if (has_source_port) traits.source_port = source_port;
  if (has_destination_port) traits.destination_port = destination_port;
  return traits;
}

void DecisionRecord::Show(const std::string& gateway, v1::Decision* decision) const {
  *decision->mutable_time() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(time_ns);
  decision->set_gateway(gateway);
  decision->set_family(static_cast<v1::Family>(family));
  if (address_bytes > 0 || has_protocol || cut_short) {
    v1::Headers* headers = decision->mutable_headers();
    if (address_bytes > 0) {
      headers->set_source(source, address_bytes);
      headers->set_destination(destination, address_bytes);
    }
    if (has_protocol) headers->set_protocol(protocol);
    if (has_source_port) headers->set_source_port(source_port);
    if (has_destination_port) headers->set_destination_port(destination_port);
    if (has_tcp_flags) headers->set_tcp_flags(tcp_flags);
    if (has_icmp_type) headers->set_icmp_type(icmp_type);
    if (has_icmp_code) headers->set_icmp_code(icmp_code);
    if (has_icmp_id) headers->set_icmp_id(icmp_id);
    if (has_fragment) {
      headers->set_fragment_offset(fragment_offset);
      headers->set_more_fragments(more_fragments);
    }
    if (has_hop_limit) headers->set_hop_limit(hop_limit);
    if (has_traffic_class) headers->set_traffic_class(traffic_class);
    headers->set_cut_short(cut_short);
  }
  decision->set_length(length);
  decision->set_input_interface(EscapeName(View(input_interface)));
  decision->set_output_interface(EscapeName(View(output_interface)));
  decision->set_action(static_cast<v1::Action>(action));
  decision->set_notify(static_cast<v1::Notify>(notify));
  decision->set_cause(static_cast<v1::Cause>(cause));
  decision->set_reason(cause == v1::CAUSE_VERDICT
                           ? OneLine(View(reason))
                           : std::string(Words(static_cast<v1::Cause>(cause))));
  decision->set_policy_version(policy_version);
  decision->set_waited_us(waited_us);
  decision->set_transaction_id(transaction_id);
  decision->set_queue(queue);
  decision->set_logged(logged);
  decision->set_scope(static_cast<v1::Scope>(scope));
}

std::string_view Words(v1::Cause cause) {
  switch (cause) {
    case v1::CAUSE_VERDICT:
      return "its verdict";
    case v1::CAUSE_STALE:
      return "no verdict in time";
    case v1::CAUSE_TABLE_FULL:
      return "too many packets pending";
    case v1::CAUSE_NO_DECIDER:
      return "no decider connected";
    case v1::CAUSE_FAMILY_UNASKED:
      return "a family the decider does not ask for";
    case v1::CAUSE_BADSYNC:
      return "a younger packet was answered first";
    case v1::CAUSE_MALFORMED:
      return "not a well-formed packet";
    case v1::CAUSE_INVALID_VERDICT:
      return "its verdict could not be carried out";
    case v1::CAUSE_SEND_FAILED:
      return "its verdict could not be handed to the kernel";
    case v1::CAUSE_FLUSHED:
      return "the kernel dropped it while it waited";
    case v1::CAUSE_MODE_OFF:
      return "the mode was turned off";
    case v1::CAUSE_UNSPECIFIED:
    case v1::Cause_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::Cause_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return "a cause this server does not know";
}

}  // namespace sluice::server
