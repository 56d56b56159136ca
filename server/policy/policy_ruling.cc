#include "server/policy/policy_ruling.h"

#include <string_view>

namespace sluice::server {
namespace {

std::string_view DeciderOf(const Ruling& ruling) {
  return ruling.ask == nullptr ? std::string_view() : std::string_view(ruling.ask->decider);
}

}  // namespace

v1::PolicyRuling ToProto(const Ruling& ruling) {
  v1::PolicyRuling proto;
  proto.set_action(ruling.action);
  proto.set_notify(ruling.notify);
  proto.set_scope(ruling.scope);
  if (ruling.lifetime.count() > 0) proto.mutable_lifetime()->set_seconds(ruling.lifetime.count());
  proto.set_logged(ruling.log);
  proto.set_decider(std::string(DeciderOf(ruling)));
  proto.set_rule(ruling.rule);
  proto.set_reason(std::string(ruling.reason));
  return proto;
}

bool SameEffect(const Ruling& a, const Ruling& b) {
  return a.action == b.action && a.notify == b.notify && a.scope == b.scope &&
         a.lifetime == b.lifetime && a.log == b.log && DeciderOf(a) == DeciderOf(b);
}

}  // namespace sluice::server
