#include "server/control/policy_store.h"

#include <utility>

namespace sluice::server {

v1::PolicyText PolicyOf(std::string text, std::string source) {
  v1::PolicyText policy;
  policy.set_text(std::move(text));
  policy.set_source(std::move(source));
  return policy;
}

v1::Policy Policy::ToProto() const {
  v1::Policy policy;
  policy.set_version(version);
  policy.set_text(text.text());
  policy.set_source(text.source());
  *policy.mutable_files() = text.files();
  const int64_t ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(applied.time_since_epoch()).count();
  policy.mutable_applied()->set_seconds(ns / 1'000'000'000);
  policy.mutable_applied()->set_nanos(static_cast<int32_t>(ns % 1'000'000'000));
  policy.set_rules(static_cast<uint32_t>(rules->size()));
  return policy;
}

PolicyStore::PolicyStore(WallTime now) {
  const v1::PolicyText text = PolicyOf("default reject;\n", "built-in");
  current_ = std::make_shared<const Policy>(Policy{0, text, now, RuleSet::Compile(text).rules});
}

std::shared_ptr<const Policy> PolicyStore::Current() const {
  MutexLock lock(mutex_);
  return current_;
}

PolicyStore::Applied PolicyStore::Apply(v1::PolicyText text, WallTime now) {
  RuleSet::Compiled compiled = RuleSet::Compile(text);
  if (compiled.rules == nullptr) return {nullptr, nullptr, std::move(compiled.problems)};
  Policy policy{0, std::move(text), now, std::move(compiled.rules)};
  MutexLock lock(mutex_);
  policy.version = current_->version + 1;
  auto previous = std::exchange(current_, std::make_shared<const Policy>(std::move(policy)));
  return {std::move(previous), current_, {}};
}

}  // namespace sluice::server
