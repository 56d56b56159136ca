#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/config/yaml_tree.h"

namespace sluice::agent {

// Where the keys of a file stand: "queues.count" → place of its value. Keys that are not there
// are absent.
using KeyPlaces = absl::flat_hash_map<std::string, Place>;

// Fills every field of `message` whose key carries a preset (agent_config.proto).
void FillPresets(google::protobuf::Message& message);

// Reads `map` into `message` by its descriptor: keys are field names, enum values their names in
// lower case without the type's, durations and sizes as scalars.h says, ranges as the field's
// config_key says. Adds a problem for every key that is unknown or whose value is not allowed,
// and leaves that field alone.
void ReadMessage(const YamlValue& map, google::protobuf::Message& message, KeyPlaces& places,
                 std::vector<Problem>& problems);

}  // namespace sluice::agent
