#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <string>

namespace sluice::cli {

enum class JsonFields {
  kPresent,  // leaves out fields that are zero or empty, as protobuf does
  kAll,      // leaves out only absent messages and optional fields: counters that are 0 are shown
};

// A message of sluice.v1 as one line of JSON, without the newline: protobuf's JSON with its
// names, in which 64-bit numbers are strings. It differs from protobuf's in one way: fields of type
// bytes are not base64 but addresses as people write them ("192.0.2.1"), and hexadecimal digits if
// they are not addresses. Any thread. OUT_OF_RANGE: JSON cannot represent it, such as a time
// outside of the years 1 to 9999.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, JsonFields fields);

}  // namespace sluice::cli
