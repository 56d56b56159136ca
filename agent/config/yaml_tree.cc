#include "agent/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace sluice::agent {
namespace {

// Ends a parse that has gone far enough; never leaves this file.
struct GiveUp : std::exception {};

Place At(const YAML::Mark& mark) {
  return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
}

// Length of the UTF-8 sequence at the front of `text`, 0 if there is none. Control characters other
// than tab and line ends count as none.
size_t CharacterLength(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) {
    const bool printable = first >= 0x20 && first != 0x7f;
    return printable || first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
  }
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond Unicode.
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) > 0x9f) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

// Adds a problem and returns false at the first character that does not belong into a file.
bool AllCharactersValid(std::string_view text, std::vector<Problem>& problems) {
  Place place;
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0) {
      const int value = static_cast<unsigned char>(text[0]);
      problems.push_back({place, "",
                          absl::StrCat("byte 0x", absl::Hex(value, absl::kZeroPad2),
                                       " is not allowed here: the file must be UTF-8 text")});
      return false;
    }
    if (text[0] == '\n') {
      ++place.line;
      place.column = 1;
    } else {
      ++place.column;
    }
    text.remove_prefix(length);
  }
  return true;
}

// Whether `text` is one line of valid characters. Blocks and escapes make values of characters that
// the file itself must not have, and of several lines.
bool IsLine(std::string_view text) {
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0 || text[0] == '\n' || text[0] == '\r') return false;
    text.remove_prefix(length);
  }
  return true;
}

// Builds the tree from yaml-cpp's events, so that nothing is resolved or expanded on the way and
// the depth is known before the parser goes deeper.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::vector<Problem>& problems) : problems_(problems) {}

  YamlValue Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      Add(At(mark), "a second document begins here: a configuration file has one");
      throw GiveUp();
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    CheckAnchor(mark, anchor);
    // As a key, `null` is a word like any other; it names no key we have.
    Put(YamlValue{YamlValue::Kind::kNull, At(mark), "null", {}, {}});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Add(At(mark), "aliases (*name) are not allowed: write the value out");
    Put(YamlValue{YamlValue::Kind::kRefused, At(mark), "", {}, {}});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckAnchor(mark, anchor);
    CheckTag(mark, tag);
    if (!IsLine(value)) {
      Add(At(mark), "must be one line of UTF-8 text, without control characters");
      Put(YamlValue{YamlValue::Kind::kRefused, At(mark), "", {}, {}});
      return;
    }
    Put(YamlValue{YamlValue::Kind::kScalar, At(mark), value, {}, {}});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlValue::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlValue::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A list or map that is not complete yet.
  struct Unfinished {
    YamlValue value;
    bool have_key = false;
    bool key_refused = false;
    std::string key;
    Place key_place;
  };

  void Add(Place place, std::string text) { problems_.push_back({place, "", std::move(text)}); }

  void CheckAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) Add(At(mark), "anchors (&name) are not allowed: write the value out");
  }

  void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    // yaml-cpp's own marks for plain ("?") and quoted ("!") scalars.
    if (tag.empty() || tag == "?" || tag == "!") return;
    Add(At(mark), absl::StrCat("tags (", tag.substr(0, 40), ") are not allowed"));
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlValue::Kind kind) {
    CheckAnchor(mark, anchor);
    CheckTag(mark, tag);
    if (open_.size() >= kMaxYamlDepth) {
      Add(At(mark), absl::StrCat("nested too deep: at most ", kMaxYamlDepth, " levels"));
      throw GiveUp();
    }
    open_.push_back({YamlValue{kind, At(mark), "", {}, {}}, false, false, "", {}});
  }

  void Close() {
    YamlValue value = std::move(open_.back().value);
    open_.pop_back();
    Put(std::move(value));
  }

  void Put(YamlValue value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Unfinished& parent = open_.back();
    if (parent.value.kind == YamlValue::Kind::kList) {
      parent.value.items.push_back(std::move(value));
    } else if (parent.have_key) {
      parent.have_key = false;
      if (parent.key_refused) return;
      parent.value.entries.push_back({std::move(parent.key), parent.key_place, std::move(value)});
    } else {
      TakeKey(parent, std::move(value));
    }
  }

  void TakeKey(Unfinished& map, YamlValue key) {
    if (key.kind == YamlValue::Kind::kList || key.kind == YamlValue::Kind::kMap) {
      Add(key.place, "a key must be a word");
      key.kind = YamlValue::Kind::kRefused;
    }
    map.have_key = true;
    map.key_refused = key.kind == YamlValue::Kind::kRefused;
    if (map.key_refused) return;
    for (const YamlValue::Entry& entry : map.value.entries) {
      if (entry.key != key.scalar) continue;
      problems_.push_back(
          {key.place, key.scalar,
           absl::StrCat("given twice: first on line ", entry.place.line, ", keep one")});
      break;
    }
    // Looking for duplicates is quadratic; no message has that many keys.
    if (map.value.entries.size() >= 1000) {
      Add(key.place, "too many keys");
      throw GiveUp();
    }
    map.key = std::move(key.scalar);
    map.key_place = key.place;
  }

  std::vector<Problem>& problems_;
  int documents_ = 0;
  YamlValue root_;
  std::vector<Unfinished> open_;
};

}  // namespace

std::optional<YamlValue> ParseYaml(std::string_view text, std::vector<Problem>& problems) {
  if (text.size() > kMaxYamlBytes) {
    problems.push_back({{}, "", absl::StrCat("too long: at most ", kMaxYamlBytes, " bytes")});
    return std::nullopt;
  }
  if (!AllCharactersValid(text, problems)) return std::nullopt;
  TreeBuilder builder(problems);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.Take();
  } catch (const GiveUp&) {
  } catch (const YAML::Exception& error) {
    problems.push_back({At(error.mark), "", absl::StrCat("not valid YAML: ", error.msg)});
  } catch (const std::exception& error) {
    problems.push_back({{}, "", absl::StrCat("cannot be parsed as YAML: ", error.what())});
  }
  return std::nullopt;
}

}  // namespace sluice::agent
