#include "server/packets/batch_reader.h"

#include <utility>

#include "absl/base/attributes.h"
#include "server/calls/field_reader.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {
namespace {

bool ReadHeaders(std::string_view bytes, HeaderFields* fields) {
  using H = v1::Headers;
  return ReadFields(bytes, [&](FieldReader& field) ABSL_ATTRIBUTE_ALWAYS_INLINE {
    switch (field.number()) {
      case H::kSourceFieldNumber:
        return field.Take(&fields->source);
      case H::kDestinationFieldNumber:
        return field.Take(&fields->destination);
      case H::kProtocolFieldNumber:
        return field.Take(&fields->protocol);
      case H::kSourcePortFieldNumber:
        return field.Take(&fields->source_port);
      case H::kDestinationPortFieldNumber:
        return field.Take(&fields->destination_port);
      case H::kTcpFlagsFieldNumber:
        return field.Take(&fields->tcp_flags);
      case H::kIcmpTypeFieldNumber:
        return field.Take(&fields->icmp_type);
      case H::kIcmpCodeFieldNumber:
        return field.Take(&fields->icmp_code);
      case H::kIcmpIdFieldNumber:
        return field.Take(&fields->icmp_id);
      case H::kFragmentOffsetFieldNumber:
        return field.Take(&fields->fragment_offset);
      case H::kMoreFragmentsFieldNumber:
        return field.Take(&fields->more_fragments);
      case H::kHopLimitFieldNumber:
        return field.Take(&fields->hop_limit);
      case H::kTrafficClassFieldNumber:
        return field.Take(&fields->traffic_class);
      case H::kCutShortFieldNumber:
        return field.Take(&fields->cut_short);
      default:
        return field.Skip();
    }
  });
}

bool ReadPacket(std::string_view bytes, PacketFields* fields) {
  using P = v1::Packet;
  return ReadFields(bytes, [&](FieldReader& field) ABSL_ATTRIBUTE_ALWAYS_INLINE {
    std::string_view text;
    switch (field.number()) {
      case P::kTransactionIdFieldNumber:
        return field.Take(&fields->transaction_id);
      case P::kFamilyFieldNumber:
        return field.TakeEnum(&fields->family);
      case P::kPayloadFieldNumber:
        return field.Take(&fields->payload);
      case P::kOriginalLengthFieldNumber:
        return field.Take(&fields->original_length);
      case P::kHeadersFieldNumber:
        return field.TakeMessage([&](std::string_view headers) {
          if (std::exchange(fields->has_headers, true)) return false;  // Protobuf would merge them.
          return ReadHeaders(headers, &fields->headers);
        });
      case P::kWaitedUsFieldNumber:
        return field.Take(&fields->waited_us);
      case P::kInputInterfaceFieldNumber:
        return field.TakeText(&fields->input_interface);
      case P::kOutputInterfaceFieldNumber:
        return field.TakeText(&fields->output_interface);
      case P::kInputGroupFieldNumber:
        return field.TakeText(&fields->input_group);
      case P::kOutputGroupFieldNumber:
        return field.TakeText(&fields->output_group);
      case P::kConnectionStateFieldNumber:
        return field.TakeEnum(&fields->connection_state);
      case P::kPhysicalInputInterfaceFieldNumber:
      case P::kPhysicalOutputInterfaceFieldNumber:
      case P::kSecurityContextFieldNumber:
        return field.TakeText(&text);
      default:
        return field.Skip();
    }
  });
}

// Whether protobuf can read `bytes` as a message of numbers.
bool OnlyNumbers(std::string_view bytes) {
  return ReadFields(bytes, [](FieldReader& field) { return field.Skip(); });
}

bool ReadPackets(std::string_view bytes, size_t most, BatchFields* batch,
                 std::vector<PacketFields>* packets) {
  using B = v1::PacketBatch;
  return ReadFields(bytes, [&](FieldReader& field) ABSL_ATTRIBUTE_ALWAYS_INLINE {
    switch (field.number()) {
      case B::kBatchFieldNumber:
        return field.Take(&batch->batch);
      case B::kPacketsFieldNumber:
        return field.TakeMessage([&](std::string_view packet) {
          return ++batch->packet_count > most || ReadPacket(packet, &packets->emplace_back());
        });
      case B::kGatewayFieldNumber:
        return field.TakeText(&batch->gateway);
      case B::kTimeLeftFieldNumber:
        return field.TakeMessage(OnlyNumbers);
      default:
        return field.Skip();
    }
  });
}

}  // namespace

std::optional<BatchFields> ReadBatch(std::string_view message, size_t most,
                                     std::vector<PacketFields>* packets) {
  using R = v1::DecideRequest;
  packets->clear();
  std::optional<BatchFields> batch;
  const bool read = ReadFields(message, [&](FieldReader& field) ABSL_ATTRIBUTE_ALWAYS_INLINE {
    switch (field.number()) {
      case R::kPacketsFieldNumber:
        return field.TakeMessage([&](std::string_view fields) {
          if (batch) return false;  // Protobuf would merge them.
          return ReadPackets(fields, most, &batch.emplace(), packets);
        });
      case R::kHelloFieldNumber:
      case R::kHeartbeatFieldNumber:
      case R::kErrorsFieldNumber:
        return false;
      default:
        return field.Skip();
    }
  });
  return read ? batch : std::nullopt;
}

}  // namespace sluice::server
