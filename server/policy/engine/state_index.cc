#include "server/policy/engine/indexes.h"

namespace sluice::server::policy {

StateIndex::StateIndex(const std::vector<const CheckedRule*>& rules, RuleBits* bits) {
  RuleBitsWriter writer(bits);
  for (size_t state = 0; state < sets_.size(); ++state) {
    for (size_t i = 0; i < rules.size(); ++i) {
      const CheckedRule& rule = *rules[i];
      const bool matches = !rule.states ? true
                           : state == 0 ? !rule.decision.accept
                                        : (*rule.states >> (state - 1) & 1) != 0;
      writer.Set(i, matches);
    }
    sets_[state] = writer.Write();
  }
}

}  // namespace sluice::server::policy
