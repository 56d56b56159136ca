#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <string>

namespace sluice::cli {

enum class JsonFields {
  kPresent,  // fields that are zero or empty are left out, as protobuf does
  kAll,      // but for absent messages and optional fields, everything: counters that are 0 too
};

// A message of sluice.v1 as one line of JSON, without the newline: protobuf's JSON with its
// names, in which 64-bit numbers are strings. One thing is other than protobuf's: fields of type
// bytes are no base64 but, where they are addresses, the address as people write it
// ("192.0.2.1"), and hexadecimal digits otherwise. Any thread. OUT_OF_RANGE: there is no JSON for
// it, as for times outside of years 1 to 9999.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, JsonFields fields);

}  // namespace sluice::cli
