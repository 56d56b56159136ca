#include "server/calls/message_parts.h"

#include "server/calls/field_reader.h"

namespace sluice::server {
namespace {

// False if the message has more parts than are `left`, or is unreadable.
bool Count(std::string_view message, const google::protobuf::Descriptor& type, size_t* left) {
  return ReadFields(message, [&](FieldReader& field) {
    const google::protobuf::FieldDescriptor* const known = type.FindFieldByNumber(field.number());
    if (known != nullptr && !field.HasLength()) return field.Skip();
    if ((*left)-- == 0) return false;
    const google::protobuf::Descriptor* const inner =
        known == nullptr ? nullptr : known->message_type();
    if (inner == nullptr) return field.Skip();
    return field.TakeMessage([&](std::string_view bytes) { return Count(bytes, *inner, left); });
  });
}

}  // namespace

bool HasFewParts(std::string_view message, const google::protobuf::Descriptor& type, size_t most) {
  return Count(message, type, &most);
}

}  // namespace sluice::server
