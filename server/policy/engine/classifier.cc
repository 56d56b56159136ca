#include "server/policy/engine/classifier.h"

#include <algorithm>
#include <array>
#include <span>

#include "server/policy/engine/rule_scale.h"

namespace sluice::server::policy {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

// Whether the address matches a term that has masks with holes; a term without patterns matches.
bool Matches(const AddressTerm& term, size_t size, const AddressWords& address) {
  if (term.patterns.empty()) return true;
  const bool found =
      std::any_of(term.patterns.begin(), term.patterns.end(), [&](const AddressPattern& pattern) {
        const AddressWords value = ToWords(pattern.value.bytes);
        const AddressWords mask = ToWords(pattern.mask);
        return pattern.value.size == size && (address[0] & mask[0]) == value[0] &&
               (address[1] & mask[1]) == value[1];
      });
  return found == (term.kind == AddressTerm::Kind::kOneOf);
}

// The sets to intersect. A set of all rules changes nothing and is left out.
class Sets {
 public:
  explicit Sets(RuleBits::Id all) : all_(all) {}

  // May be called at most RuleBits::kMostSets times. One more call ends the program, since RuleBits
  // has no room for another set.
  void Add(RuleBits::Id set) {
    if (set != all_) sets_.at(size_++) = set;
  }
  // Returns at least one set.
  std::span<const RuleBits::Id> Get() {
    if (size_ == 0) sets_.at(size_++) = all_;
    return {sets_.data(), size_};
  }

 private:
  const RuleBits::Id all_;
  size_t size_ = 0;
  std::array<RuleBits::Id, RuleBits::kMostSets> sets_;
};

}  // namespace

Classifier::Classifier(const std::vector<CheckedRule>& rules)
    : Classifier(rules, OrderRules(rules)) {}

Classifier::Classifier(const std::vector<CheckedRule>& rules, const RuleOrder& order)
    : bits_(order.indexes),
      source_(order.rules, &CheckedRule::source, &bits_),
      destination_(order.rules, &CheckedRule::destination, &bits_),
      protocol_(order.rules, &bits_),
      tcp_source_(order.rules, &CheckedRule::source, kTcp, &bits_),
      tcp_destination_(order.rules, &CheckedRule::destination, kTcp, &bits_),
      udp_source_(order.rules, &CheckedRule::source, kUdp, &bits_),
      udp_destination_(order.rules, &CheckedRule::destination, kUdp, &bits_),
      input_group_(order.rules, &CheckedRule::source, &bits_),
      output_group_(order.rules, &CheckedRule::destination, &bits_),
      state_(order.rules, &bits_) {
  bits_.Seal();
  for (size_t i = 0; i < rules.size(); ++i) {
    const AddressTerm& source = rules[i].source.address;
    const AddressTerm& destination = rules[i].destination.address;
    const bool in_source = HasHoles(source);
    const bool in_destination = HasHoles(destination);
    if (!in_source && !in_destination && !rules[i].match) continue;
    rests_.push_back({static_cast<uint32_t>(i), in_source ? source : AddressTerm{},
                      in_destination ? destination : AddressTerm{},
                      rules[i].match ? rules[i].match->program : nullptr,
                      !rules[i].decision.accept});
  }
}

bool Classifier::Confirm(size_t rule, const PacketView& packet) const {
  const auto rest = std::lower_bound(rests_.begin(), rests_.end(), rule,
                                     [](const Rest& a, size_t b) { return a.rule < b; });
  if (rest == rests_.end() || rest->rule != rule) return true;
  // If the addresses are not known, the indexes have already decided what they match.
  return (packet.address_size == 0 ||
          (Matches(rest->source, packet.address_size, packet.source) &&
           Matches(rest->destination, packet.address_size, packet.destination))) &&
         (rest->match == nullptr || rest->match->Matches(packet.bytes, rest->rejects));
}

template <typename Also>
size_t Classifier::Search(const PacketView& packet, const Also& also) const {
  Sets sets(bits_.all());
  sets.Add(source_.Find(packet.address_size, packet.source));
  sets.Add(destination_.Find(packet.address_size, packet.destination));
  sets.Add(protocol_.Find(packet));
  if (packet.protocol == kTcp) {
    sets.Add(tcp_source_.Find(packet.source_port));
    sets.Add(tcp_destination_.Find(packet.destination_port));
  } else if (packet.protocol == kUdp) {
    sets.Add(udp_source_.Find(packet.source_port));
    sets.Add(udp_destination_.Find(packet.destination_port));
  }
  sets.Add(input_group_.Find(packet.input_group));
  sets.Add(output_group_.Find(packet.output_group));
  sets.Add(state_.Find(packet.state));
  return bits_.First(sets.Get(), also);
}

size_t Classifier::FirstMatch(const PacketView& packet) const {
  if (rests_.empty()) return Search(packet, [](size_t) { return true; });
  return Search(packet, [&](size_t rule) { return Confirm(rule, packet); });
}

size_t Classifier::FirstOf(const PacketView& packet,
                           const std::function<bool(size_t)>& confirm) const {
  return Search(packet, confirm);
}

uint32_t Classifier::StepsOf(const Rest& rest) {
  // Measured by policy_bench: to find a rule and begin its program takes as long as so many
  // instructions of a long one.
  constexpr size_t kBegin = 16;
  // To compare an address with a mask.
  constexpr size_t kPattern = 2;
  return static_cast<uint32_t>(
      kBegin + kPattern * (rest.source.patterns.size() + rest.destination.patterns.size()) +
      (rest.match == nullptr ? 0 : rest.match->size()));
}

std::vector<uint32_t> Classifier::StepsByRule() const {
  std::vector<uint32_t> steps(bits_.rules());
  for (const Rest& rest : rests_) steps[rest.rule] = StepsOf(rest);
  return steps;
}

// A packet has one source, so at most the heaviest set of the source's index is tried; the same
// goes for every other index. The least of these is a limit.
uint64_t Classifier::MostSteps(uint64_t enough) const {
  uint64_t most = 0;
  for (const Rest& rest : rests_) most += StepsOf(rest);
  if (most <= enough) return most;
  RuleScale scale(&bits_, StepsByRule());
  const auto heaviest = [&scale](const auto& sets) {
    uint64_t found = 0;
    for (const RuleBits::Id set : sets) found = std::max(found, scale.Weigh(set));
    return found;
  };
  const uint64_t tcp = std::min(heaviest(tcp_source_.Sets()), heaviest(tcp_destination_.Sets()));
  const uint64_t udp = std::min(heaviest(udp_source_.Sets()), heaviest(udp_destination_.Sets()));
  uint64_t of_protocols = 0;
  for (size_t of = 0; of < ProtocolClasses::kCount; ++of) {
    uint64_t steps = scale.Weigh(protocol_.Sets()[of]);
    if (of == kTcp) continue;  // Packets of TCP are in classes by their flags.
    if (of >= ProtocolClasses::kTcp) steps = std::min(steps, tcp);
    if (of == kUdp) steps = std::min(steps, udp);
    of_protocols = std::max(of_protocols, steps);
  }
  return std::min({most, of_protocols, heaviest(source_.Sets()), heaviest(destination_.Sets()),
                   heaviest(input_group_.Sets()), heaviest(output_group_.Sets()),
                   heaviest(state_.Sets())});
}

size_t Classifier::memory() const {
  size_t bytes = sizeof *this + bits_.memory() + source_.memory() + destination_.memory();
  for (const PortIndex* ports :
       {&tcp_source_, &tcp_destination_, &udp_source_, &udp_destination_}) {
    bytes += ports->memory();
  }
  for (const Rest& rest : rests_) {
    bytes +=
        sizeof rest + (rest.source.patterns.capacity() + rest.destination.patterns.capacity()) *
                          sizeof(AddressPattern);
    // Rules with the same expression share its program and count it more than once; they are hardly
    // many.
    if (rest.match != nullptr) bytes += rest.match->size() * sizeof(BpfInstruction);
  }
  return bytes;
}

}  // namespace sluice::server::policy
