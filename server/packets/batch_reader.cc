#include "server/packets/batch_reader.h"

#include <algorithm>
#include <utility>

#include "absl/base/attributes.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {
namespace {

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

// Reads the fields of one message, which protobuf has encoded (protobuf.dev, "Encoding"). Each
// method is false if the bytes end too early, or hold what is left to protobuf.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool AtEnd() const { return at_ == end_; }

  // Goes to the next field.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Next() {
    uint32_t tag = 0;
    if (!TakeShort(&tag)) return false;
    number_ = static_cast<int>(tag >> 3);
    type_ = tag & 7;
    return number_ != 0;
  }

  // Its number in the message.
  int number() const { return number_; }

  // Its value. A field of another type than expected is one that protobuf does not know.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Take(uint64_t* value) {
    return type_ == kVarint ? TakeVarint(value) : Skip();
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Take(uint32_t* value) {
    if (type_ != kVarint) return Skip();
    uint64_t read = 0;
    if (!TakeVarint(&read) || read > UINT32_MAX) return false;
    *value = static_cast<uint32_t>(read);
    return true;
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Take(std::optional<uint32_t>* value) {
    return type_ == kVarint ? Take(&value->emplace()) : Skip();
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Take(bool* value) {
    if (type_ != kVarint) return Skip();
    uint64_t read = 0;
    if (!TakeVarint(&read) || read > 1) return false;
    *value = read == 1;
    return true;
  }

  template <typename Enum>
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool TakeEnum(Enum* value) {
    if (type_ != kVarint) return Skip();
    uint64_t read = 0;
    if (!TakeVarint(&read) || read > INT32_MAX) return false;
    *value = static_cast<Enum>(read);
    return true;
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Take(std::string_view* bytes) {
    if (type_ != kLength) return Skip();
    uint32_t size = 0;
    if (!TakeShort(&size) || size > end_ - at_) return false;
    *bytes = {at_, size};
    at_ += size;
    return true;
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool TakeText(std::string_view* text) {
    return Take(text) && IsAscii(*text);
  }

  // Has `read` take the bytes of a message.
  template <typename Read>
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool TakeMessage(Read read) {
    if (type_ != kLength) return Skip();
    std::string_view bytes;
    return Take(&bytes) && read(bytes);
  }

  // A field that nobody needs, or that is not known.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Skip() {
    uint64_t number = 0;
    return type_ == kVarint ? TakeVarint(&number) : GoTo(Skipped(at_, end_, type_));
  }

 private:
  enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

  // The functions below return where the next byte is, null if what they read is not whole. They
  // are static so that the compiler can keep a FieldReader in registers.

  ABSL_ATTRIBUTE_NOINLINE static const char* Varint(const char* at, const char* end,
                                                    uint64_t* value) {
    uint64_t read = 0;
    for (unsigned shift = 0; shift < 64 && at != end; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at++);
      if (shift == 63 && byte > 1) return nullptr;  // It has more than 64 bits.
      read |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        *value = read;
        return at;
      }
    }
    return nullptr;
  }

  ABSL_ATTRIBUTE_NOINLINE static const char* Skipped(const char* at, const char* end,
                                                     uint32_t type) {
    uint64_t value = 0;
    switch (type) {
      case kLength: {
        const char* const bytes = Varint(at, end, &value);
        const bool whole =
            bytes != nullptr && bytes - at <= kShort && value <= static_cast<uint64_t>(end - bytes);
        return whole ? bytes + value : nullptr;
      }
      case kFixed64:
        return end - at < 8 ? nullptr : at + 8;
      case kFixed32:
        return end - at < 4 ? nullptr : at + 4;
      default:
        return nullptr;
    }
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool GoTo(const char* next) {
    if (next != nullptr) at_ = next;
    return next != nullptr;
  }

  ABSL_ATTRIBUTE_ALWAYS_INLINE bool TakeVarint(uint64_t* value) {
    // Most numbers have one byte or two.
    const ptrdiff_t left = end_ - at_;
    if (left > 0 && (at_[0] & 0x80) == 0) {
      *value = static_cast<uint8_t>(*at_++);
      return true;
    }
    if (left > 1 && (at_[1] & 0x80) == 0) {
      *value = (at_[0] & 0x7f) | static_cast<uint64_t>(at_[1]) << 7;
      at_ += 2;
      return true;
    }
    uint64_t read = 0;
    const bool whole = GoTo(Varint(at_, end_, &read));
    *value = read;
    return whole;
  }

  // A tag or a length. Protobuf takes five bytes of it; four are enough for all messages here.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool TakeShort(uint32_t* value) {
    const char* const begin = at_;
    uint64_t read = 0;
    if (!TakeVarint(&read) || at_ - begin > kShort) return false;
    *value = static_cast<uint32_t>(read);
    return true;
  }

  static constexpr ptrdiff_t kShort = 4;

  const char* at_;
  const char* const end_;
  int number_ = 0;
  uint32_t type_ = 0;
};

// Reads all fields of a message; `take` takes each. False as those of FieldReader.
template <typename Take>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool ReadFields(std::string_view bytes, Take take) {
  FieldReader field(bytes);
  while (!field.AtEnd()) {
    if (!field.Next() || !take(field)) return false;
  }
  return true;
}

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

size_t CountPackets(std::string_view message) {
  size_t packets = 0;
  const auto count_packets = [&](std::string_view batch) {
    return ReadFields(batch, [&](FieldReader& field) {
      if (!field.Skip()) return false;
      if (field.number() == v1::PacketBatch::kPacketsFieldNumber) ++packets;
      return true;
    });
  };
  ReadFields(message, [&](FieldReader& field) {
    return field.number() == v1::DecideRequest::kPacketsFieldNumber
               ? field.TakeMessage(count_packets)
               : field.Skip();
  });
  return packets;
}

}  // namespace sluice::server
