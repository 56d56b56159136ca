#include <map>
#include <tuple>
#include <utility>

#include "server/policy/engine/indexes.h"
#include "server/policy/engine/interval_sweep.h"

namespace sluice::server::policy {

PortIndex::PortIndex(const std::vector<const CheckedRule*>& rules, ObjectTerm CheckedRule::*side,
                     uint8_t protocol, RuleBits* bits) {
  RuleBitsWriter unknown(bits);
  RuleBitsWriter anything(bits);
  std::vector<SweptTerm> terms;
  std::vector<SweptInterval<uint32_t>> intervals;
  std::map<std::tuple<bool, std::vector<PortRange>>, uint32_t> known;
  for (uint32_t rule = 0; rule < rules.size(); ++rule) {
    const TransportTerm& term = (rules[rule]->*side).transport;
    if (term.kind != TransportTerm::Kind::kPort || term.protocol != protocol) {
      unknown.Set(rule, true);
      anything.Set(rule, true);
      continue;
    }
    if (!rules[rule]->decision.accept) unknown.Set(rule, true);
    const auto [entry, is_new] = known.emplace(std::tuple(term.negated, term.ports), terms.size());
    if (is_new) {
      terms.push_back({term.negated, {}});
      for (const PortRange& range : term.ports) {
        intervals.push_back({range.low, range.high, entry->second});
      }
    }
    terms[entry->second].rules.push_back(rule);
  }
  unknown_ = unknown.Write();
  ports_ = IntervalSweep<uint32_t>(terms, std::move(anything)).Run(intervals);
}

}  // namespace sluice::server::policy
