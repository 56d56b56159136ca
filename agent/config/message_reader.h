#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/config/yaml_tree.h"

namespace sluice::agent {

// Where the keys of a file are: "queues.count" → place of its value. Keys that are not in the file
// are absent.
using KeyPlaces = absl::flat_hash_map<std::string, Place>;

// Fills every field of `message` whose key carries a preset (agent_config.proto).
void FillPresets(google::protobuf::Message& message);

// Reads `map` into `message` by its descriptor: keys are field names, enum values are their names
// in lower case without the type's name, durations and sizes are as in scalars.h, ranges as in the
// field's config_key. Adds a problem for every key that is unknown or whose value is not allowed,
// and leaves that field alone.
void ReadMessage(const YamlValue& map, google::protobuf::Message& message, KeyPlaces& places,
                 std::vector<Problem>& problems);

}  // namespace sluice::agent
