#include "server/policy/checker/decision_checker.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/policy/terms/decider_address.h"
#include "server/policy/terms/decision_terms.h"
#include "server/policy/terms/duration.h"
#include "server/policy/terms/nearest_word.h"

namespace sluice::server::policy {
namespace {

using std::chrono::milliseconds;

// nftables counts lifetimes in seconds. Whoever wants more than a day should write a rule.
constexpr milliseconds kShortestLifetime = std::chrono::seconds(1);
constexpr milliseconds kLongestLifetime = std::chrono::hours(24);

// A time longer than a packet can wait would be as good as for ever.
constexpr milliseconds kShortestAsk{1};
constexpr milliseconds kLongestAsk = std::chrono::seconds(60);

// Names of deciders go into messages, metrics and tables.
constexpr size_t kLongestName = 64;

}  // namespace

const Decider* DecisionChecker::Find(std::string_view name) const {
  const auto found = std::find_if(deciders_.begin(), deciders_.end(),
                                  [name](const Decider& known) { return known.name == name; });
  return found == deciders_.end() ? nullptr : &*found;
}

void DecisionChecker::Declare(const DeciderSyntax& syntax) {
  const std::string_view name = syntax.name.text;
  if (name.empty() || name.size() > kLongestName || OneLine(name) != name) {
    problems_->Add(syntax.name.place,
                   absl::StrCat("a decider's name has 1 to ", kLongestName, " printable bytes"));
    return;
  }
  if (Find(name) != nullptr) {
    problems_->Add(syntax.name.place,
                   absl::StrCat("there is a decider ", Quoted(name), " already"));
    return;
  }
  if (deciders_.size() == kMostDeciders) {
    problems_->Add(syntax.name.place,
                   absl::StrCat("too many deciders: a policy has at most ", kMostDeciders));
    return;
  }
  Decider decider{std::string(name), {}};
  for (const Word& address : syntax.addresses) {
    if (!IsDeciderAddress(address.text)) {
      problems_->Add(address.place, absl::StrCat(Quoted(address.text),
                                                 " is no address of a decider: write IPV4:PORT, "
                                                 "[IPV6]:PORT, NAME:PORT or unix:/PATH"));
    } else if (decider.addresses.size() == kMostAddresses) {
      problems_->Add(address.place,
                     absl::StrCat("too many addresses: a decider has at most ", kMostAddresses));
    } else if (std::find(decider.addresses.begin(), decider.addresses.end(), address.text) !=
               decider.addresses.end()) {
      problems_->Add(address.place, absl::StrCat(Quoted(address.text), " is said twice"));
    } else {
      decider.addresses.emplace_back(address.text);
    }
  }
  deciders_.push_back(std::move(decider));
}

Ask DecisionChecker::Read(const AskSyntax& syntax) {
  const Word& name = syntax.decider;
  if (complete_ && Find(name.text) == nullptr) {
    std::vector<std::string_view> names;
    for (const Decider& known : deciders_) names.push_back(known.name);
    const std::string_view meant = NearestWord(name.text, names);
    problems_->Add(name.place,
                   absl::StrCat("no decider ", Quoted(name.text),
                                meant.empty() ? ": write `decider NAME at ADDRESS;`, both in quotes"
                                              : ": did you mean " + Quoted(meant) + "?"));
  }
  const auto within = ParseDuration(syntax.within.text, kShortestAsk, kLongestAsk);
  if (!within.ok()) problems_->Add(syntax.within.place, std::string(within.status().message()));
  return {std::string(name.text), within.value_or(milliseconds(0))};
}

Decision DecisionChecker::Read(const DecisionSyntax& syntax) {
  Decision decision;
  decision.accept = syntax.accept;
  if (!syntax.accept) decision.notify = syntax.notify;
  decision.log = syntax.log;
  decision.scope = syntax.scope;
  if (syntax.lifetime) {
    const Word& word = *syntax.lifetime;
    const auto lifetime = ParseDuration(word.text, kShortestLifetime, kLongestLifetime);
    if (!lifetime.ok()) {
      problems_->Add(word.place, std::string(lifetime.status().message()));
    } else if (*lifetime % std::chrono::seconds(1) != milliseconds(0)) {
      problems_->Add(word.place, absl::StrCat(Quoted(word.text), " is no whole number of seconds"));
    } else {
      decision.lifetime = std::chrono::duration_cast<std::chrono::seconds>(*lifetime);
    }
  }
  if (syntax.ask) decision.ask = Read(*syntax.ask);
  return decision;
}

}  // namespace sluice::server::policy
