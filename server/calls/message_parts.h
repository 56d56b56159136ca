#pragma once

#include <google/protobuf/descriptor.h>

#include <cstddef>
#include <string_view>

namespace sluice::server {

// Whether `message`, a serialized `type`, can be walked and has at most `most` parts: messages,
// texts and fields that are not known, at any depth. To be asked before protobuf reads it, which
// takes some hundred times the bytes of empty parts. No serializer writes a message that this finds
// unreadable.
bool HasFewParts(std::string_view message, const google::protobuf::Descriptor& type, size_t most);

}  // namespace sluice::server
