#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::agent {

// A place in a file, both numbers from 1.
struct Place {
  int line = 1;
  int column = 1;
};

// Something wrong with a configuration file.
struct Problem {
  Place place;
  std::string key;  // "queues.count"; empty where no key is concerned.
  std::string text;
};

// One value of a YAML file, with its place. Scalars keep the text they were written as: `on` is
// the word and not a boolean.
struct YamlValue {
  // kRefused: a problem was added for it already.
  enum class Kind { kNull, kScalar, kList, kMap, kRefused };
  struct Entry;

  Kind kind = Kind::kNull;
  Place place;
  std::string scalar;
  std::vector<YamlValue> items;
  std::vector<Entry> entries;
};

// One `key: value` of a map, in the order of the file.
struct YamlValue::Entry {
  std::string key;
  Place place;  // The key's.
  YamlValue value;
};

// Bounds on what is parsed: far above any configuration, far below what hurts.
constexpr size_t kMaxYamlBytes = size_t{1} << 20;
constexpr int kMaxYamlDepth = 64;

// Parses the one YAML document in `text` and adds to `problems`; nullopt if they leave no whole
// tree. An empty document is a kNull. Refused are, beside what is not YAML: what exceeds the
// bounds, text that is not UTF-8, control characters, values of several lines, anchors, aliases,
// tags, keys that are no scalars, keys given twice, and a second document. Total: any bytes will
// do, and nothing is thrown.
std::optional<YamlValue> ParseYaml(std::string_view text, std::vector<Problem>& problems);

}  // namespace sluice::agent
