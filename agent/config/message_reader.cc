#include "agent/config/message_reader.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>

#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "agent/config/agent_config.pb.h"
#include "agent/config/scalars.h"
#include "agent/config/suggest.h"

namespace sluice::agent {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type() == google::protobuf::Duration::descriptor();
}

bool IsMessage(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field);
}

// FAIL_MODE_CLOSED of FailMode is written `closed`.
std::string EnumWord(const EnumDescriptor& type, int index) {
  size_t prefix =
      0;  // "FAIL_MODE_": the type's letters, and a _ before each capital and at the end
  for (const char c : type.name())
    prefix += absl::ascii_isupper(static_cast<unsigned char>(c)) ? 2 : 1;
  return absl::AsciiStrToLower(type.value(index)->name().substr(prefix));
}

// The number of `word`, 0 (never read from a file) if it is none.
int EnumNumber(const EnumDescriptor& type, std::string_view word) {
  for (int i = 1; i < type.value_count(); ++i) {
    if (EnumWord(type, i) == word) return type.value(i)->number();
  }
  return 0;
}

// Both ends of a range, "1..64".
std::pair<std::string, std::string> Range(const ConfigKey& key) {
  return absl::StrSplit(key.range(), absl::MaxSplits("..", 1));
}

// "1 to 64": what is allowed, for people.
std::string Allowed(const FieldDescriptor& field) {
  const ConfigKey& key = field.options().GetExtension(config_key);
  const auto [least, greatest] = Range(key);
  const std::string range =
      key.range().empty() ? "" : absl::StrCat(" from ", least, " to ", greatest);
  if (IsDuration(field))
    return absl::StrCat("a duration", range, " with its unit, as in 50ms or 1.5s");
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::vector<std::string> words;
      for (int i = 1; i < field.enum_type()->value_count(); ++i) {
        words.push_back(EnumWord(*field.enum_type(), i));
      }
      return absl::StrJoin(words, " or ");
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_STRING:
      return "a text";
    default:
      return absl::StrCat(key.bytes() ? "a size" : "a whole number", range,
                          key.bytes() ? ", in bytes or as in 64MiB" : "");
  }
}

// Sets or adds the number `text` means; false if that is not allowed.
bool SetNumber(const FieldDescriptor& field, std::string_view text, Message& message) {
  const ConfigKey& key = field.options().GetExtension(config_key);
  const auto parse = [&key](std::string_view number) {
    return key.bytes() ? ParseBytes(number) : ParseNumber(number);
  };
  const auto value = parse(text);
  if (!value) return false;
  if (!key.range().empty()) {
    const auto [least, greatest] = Range(key);
    if (*value < parse(least) || *value > parse(greatest)) return false;
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64) {
    message.GetReflection()->SetUInt64(&message, &field, *value);
    return true;
  }
  if (*value > std::numeric_limits<uint32_t>::max()) return false;
  message.GetReflection()->SetUInt32(&message, &field, static_cast<uint32_t>(*value));
  return true;
}

bool SetDuration(const FieldDescriptor& field, std::string_view text, Message& message) {
  const auto value = ParseTime(text);
  if (!value) return false;
  const auto [least, greatest] = Range(field.options().GetExtension(config_key));
  if (*value < ParseTime(least) || *value > ParseTime(greatest)) return false;
  google::protobuf::Duration duration;
  absl::Duration rest;
  duration.set_seconds(absl::IDivDuration(*value, absl::Seconds(1), &rest));
  duration.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  message.GetReflection()->MutableMessage(&message, &field)->CopyFrom(duration);
  return true;
}

// Sets (or, of a repeated field, adds) the value that `text` means; false if it is not allowed.
bool SetScalar(const FieldDescriptor& field, const std::string& text, Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (IsDuration(field)) return SetDuration(field, text, message);
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = EnumNumber(*field.enum_type(), text);
      if (number != 0) reflection.SetEnumValue(&message, &field, number);
      return number != 0;
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      const auto value = ParseBool(text);
      if (value) reflection.SetBool(&message, &field, *value);
      return value.has_value();
    }
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.is_repeated()) {
        reflection.AddString(&message, &field, text);
      } else {
        reflection.SetString(&message, &field, text);
      }
      return true;
    default:
      return SetNumber(field, text, message);
  }
}

// Every key of a configuration with its whole path.
void AllKeys(const Descriptor& type, const std::string& prefix, std::vector<std::string>& keys) {
  for (int i = 0; i < type.field_count(); ++i) {
    const std::string path = absl::StrCat(prefix, type.field(i)->name());
    keys.push_back(path);
    if (IsMessage(*type.field(i))) AllKeys(*type.field(i)->message_type(), path + ".", keys);
  }
}

// Reads one file; holds what all its messages share.
class Walk final {
 public:
  Walk(const Descriptor& root, KeyPlaces& places, std::vector<Problem>& problems)
      : root_(root), places_(places), problems_(problems) {}

  void Read(const YamlValue& map, const std::string& prefix, Message& message) {
    for (const YamlValue::Entry& entry : map.entries) {
      const std::string path = prefix + entry.key;
      const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(entry.key);
      if (field == nullptr) {
        Add(entry.place, path, UnknownKey(entry.key, prefix, *message.GetDescriptor()));
        continue;
      }
      places_.try_emplace(path, entry.value.place);
      ReadField(entry.value, path, *field, message);
    }
  }

 private:
  void Add(Place place, const std::string& key, std::string text) {
    problems_.push_back({place, key, std::move(text)});
  }

  void ReadField(const YamlValue& value, const std::string& path, const FieldDescriptor& field,
                 Message& message) {
    if (value.kind == YamlValue::Kind::kRefused) return;
    if (IsMessage(field) && field.is_repeated()) {
      ReadMaps(value, path, field, message);
    } else if (IsMessage(field)) {
      // A key whose sub-keys are all commented out is a null.
      if (value.kind == YamlValue::Kind::kNull) return;
      if (value.kind != YamlValue::Kind::kMap) {
        Add(value.place, path, "keys must follow, indented, one a line");
        return;
      }
      Read(value, path + ".", *message.GetReflection()->MutableMessage(&message, &field));
    } else if (field.is_repeated()) {
      ReadList(value, path, field, message);
    } else {
      ReadScalar(value, path, field, message);
    }
  }

  // The items' paths are groups[0], groups[1] …
  void ReadMaps(const YamlValue& value, const std::string& path, const FieldDescriptor& field,
                Message& message) {
    if (value.kind == YamlValue::Kind::kNull) return;
    if (value.kind != YamlValue::Kind::kList) {
      Add(value.place, path, "a list is wanted, each item beginning with `- `");
      return;
    }
    for (size_t i = 0; i < value.items.size(); ++i) {
      const YamlValue& item = value.items[i];
      const std::string item_path = absl::StrCat(path, "[", i, "]");
      if (item.kind == YamlValue::Kind::kRefused) continue;
      if (item.kind != YamlValue::Kind::kMap) {
        Add(item.place, item_path, "keys must follow, indented, one a line");
        continue;
      }
      places_.try_emplace(item_path, item.place);
      Message& added = *message.GetReflection()->AddMessage(&message, &field);
      FillPresets(added);
      Read(item, item_path + ".", added);
    }
  }

  void ReadList(const YamlValue& value, const std::string& path, const FieldDescriptor& field,
                Message& message) {
    if (value.kind == YamlValue::Kind::kNull) return;
    if (value.kind != YamlValue::Kind::kList) {
      Add(value.place, path, "a list is wanted, as in [\"one\", \"two\"]");
      return;
    }
    for (const YamlValue& item : value.items) ReadScalar(item, path, field, message);
  }

  void ReadScalar(const YamlValue& value, const std::string& path, const FieldDescriptor& field,
                  Message& message) {
    switch (value.kind) {
      case YamlValue::Kind::kRefused:
        return;
      case YamlValue::Kind::kNull:
        Add(value.place, path, absl::StrCat("has no value, allowed is ", Allowed(field)));
        return;
      case YamlValue::Kind::kList:
      case YamlValue::Kind::kMap:
        Add(value.place, path,
            absl::StrCat("is a ", value.kind == YamlValue::Kind::kList ? "list" : "map",
                         ", allowed is ", Allowed(field)));
        return;
      case YamlValue::Kind::kScalar:
        break;
    }
    if (SetScalar(field, value.scalar, message)) return;
    Add(value.place, path,
        absl::StrCat("`", value.scalar.substr(0, 60), "` is not allowed, allowed is ",
                     Allowed(field)));
  }

  // Says what was probably meant: a key of this message with a similar name, or a key with this
  // name elsewhere.
  std::string UnknownKey(const std::string& key, const std::string& prefix,
                         const Descriptor& type) const {
    std::vector<std::string> all;
    AllKeys(root_, "", all);
    for (const std::string& path : all) {
      const std::string last = path.substr(path.rfind('.') + 1);
      if (last == key) return absl::StrCat("unknown key, did you mean ", path, "?");
    }
    std::vector<std::string> here;
    for (int i = 0; i < type.field_count(); ++i) here.push_back(type.field(i)->name());
    const std::string meant = Suggest(key, here);
    if (!meant.empty()) return absl::StrCat("unknown key, did you mean ", prefix, meant, "?");
    return absl::StrCat("unknown key, allowed are ", absl::StrJoin(here, ", "));
  }

  const Descriptor& root_;
  KeyPlaces& places_;
  std::vector<Problem>& problems_;
};

}  // namespace

void FillPresets(Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (IsMessage(field)) {
      if (field.is_repeated()) continue;
      FillPresets(*message.GetReflection()->MutableMessage(&message, &field));
    } else if (const ConfigKey& key = field.options().GetExtension(config_key);
               !key.preset().empty()) {
      SetScalar(field, key.preset(), message);
    }
  }
}

void ReadMessage(const YamlValue& map, Message& message, KeyPlaces& places,
                 std::vector<Problem>& problems) {
  Walk(*message.GetDescriptor(), places, problems).Read(map, "", message);
}

}  // namespace sluice::agent
