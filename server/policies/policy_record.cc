#include "server/policies/policy_record.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

namespace sluice::server {

v1::PolicyText PolicyOf(std::string text, std::string source) {
  v1::PolicyText policy;
  policy.set_text(std::move(text));
  policy.set_source(std::move(source));
  return policy;
}

v1::Policy PolicyRecord::ToProto() const {
  v1::Policy policy;
  policy.set_version(version);
  policy.set_text(text.text());
  policy.set_source(text.source());
  *policy.mutable_files() = text.files();
  policy.set_author(author);
  const int64_t ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(applied.time_since_epoch()).count();
  if (ns != 0) {
    *policy.mutable_applied() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(ns);
  }
  policy.set_rules(rule_count);
  policy.set_unconfirmed(!confirmed);
  return policy;
}

PolicyRecord BuiltInPolicy() {
  PolicyRecord record;
  record.text = PolicyOf("default reject;\n", "built-in");
  return record;
}

}  // namespace sluice::server
