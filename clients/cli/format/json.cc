#include "clients/cli/format/json.h"

#include <absl/strings/str_cat.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <memory>
#include <vector>

#include "clients/cli/format/addresses.h"
#include "sluice/v1/command.pb.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/observe.pb.h"

namespace sluice::cli {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr char kUrl[] = "type.googleapis.com";

// Bytes and strings are the same on the wire. protobuf's JSON printer therefore shows bytes as text
// if its descriptors call them strings and they contain text. This function changes the
// descriptors; BytesToText changes the message's content.
void CallBytesStrings(DescriptorProto* type) {
  for (FieldDescriptorProto& field : *type->mutable_field()) {
    if (field.type() == FieldDescriptorProto::TYPE_BYTES) {
      field.set_type(FieldDescriptorProto::TYPE_STRING);
    }
  }
  for (DescriptorProto& nested : *type->mutable_nested_type()) CallBytesStrings(&nested);
}

void AddFile(const FileDescriptor& file, DescriptorPool* pool) {
  if (pool->FindFileByName(file.name())) return;
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), pool);
  FileDescriptorProto proto;
  file.CopyTo(&proto);
  for (DescriptorProto& type : *proto.mutable_message_type()) CallBytesStrings(&type);
  pool->BuildFile(proto);
}

// Lives as long as the program.
google::protobuf::util::TypeResolver& Resolver() {
  static google::protobuf::util::TypeResolver* const kResolver = [] {
    auto* const pool = new DescriptorPool;
    AddFile(*v1::GatewayStats::descriptor()->file(), pool);
    AddFile(*v1::Gateway::descriptor()->file(), pool);
    AddFile(*v1::SystemError::descriptor()->file(), pool);
    AddFile(*v1::Decision::descriptor()->file(), pool);
    return google::protobuf::util::NewTypeResolverForDescriptorPool(kUrl, pool);
  }();
  return *kResolver;
}

bool IsAddress(const FieldDescriptor& field, const std::string& bytes) {
  const std::string& name = field.name();
  return (bytes.size() == 4 || bytes.size() == 16) &&
         (name == "source" || name == "destination" || name.starts_with("address"));
}

std::string Text(const FieldDescriptor& field, const std::string& bytes) {
  return IsAddress(field, bytes) ? FormatAddress(bytes) : FormatHex(bytes);
}

void BytesToText(Message* message) {
  const Reflection& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? reflection.FieldSize(*message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        BytesToText(field->is_repeated() ? reflection.MutableRepeatedMessage(message, field, i)
                                         : reflection.MutableMessage(message, field));
      } else if (field->type() == FieldDescriptor::TYPE_BYTES) {
        if (field->is_repeated()) {
          const std::string bytes = reflection.GetRepeatedString(*message, field, i);
          reflection.SetRepeatedString(message, field, i, Text(*field, bytes));
        } else {
          const std::string bytes = reflection.GetString(*message, field);
          reflection.SetString(message, field, Text(*field, bytes));
        }
      }
    }
  }
}

}  // namespace

absl::StatusOr<std::string> ToJson(const Message& message, JsonFields fields) {
  const std::unique_ptr<Message> copy(message.New());
  copy->CopyFrom(message);
  BytesToText(copy.get());
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = fields == JsonFields::kAll;
  std::string json;
  const auto status = google::protobuf::util::BinaryToJsonString(
      &Resolver(), absl::StrCat(kUrl, "/", message.GetDescriptor()->full_name()),
      copy->SerializeAsString(), &json, options);
  if (!status.ok()) {
    return absl::OutOfRangeError(
        absl::StrCat(message.GetDescriptor()->name(),
                     ": not representable as JSON: ", std::string(status.message())));
  }
  return json;
}

}  // namespace sluice::cli
