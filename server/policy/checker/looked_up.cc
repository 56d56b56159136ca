#include "server/policy/checker/looked_up.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::server::policy {
namespace {

// "192.0.2.1, 2001:db8::1 and 3 more".
std::string Listed(const std::vector<Address>& addresses) {
  constexpr size_t kMost = 2;
  std::string text;
  for (size_t i = 0; i < std::min(addresses.size(), kMost); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", addresses[i].ToString());
  }
  if (addresses.size() > kMost) absl::StrAppend(&text, " and ", addresses.size() - kMost, " more");
  return text;
}

std::string Listed(uint32_t network) { return Address::IpV4(network).ToString(); }

template <typename Answers>
bool AnyUnanswered(const Answers& answers) {
  return std::any_of(answers.begin(), answers.end(),
                     [](const auto& answer) { return IsUnanswered(answer.second.status()); });
}

bool Same(const std::vector<Address>& a, const std::vector<Address>& b) {
  return std::is_permutation(a.begin(), a.end(), b.begin(), b.end());
}

bool Same(uint32_t a, uint32_t b) { return a == b; }

template <typename Answers, typename Meanings>
void RenewOf(const Answers& answers, Meanings& meanings, RenewedNames* renewed) {
  for (const auto& [name, answer] : answers) {
    auto& meaning = meanings[name];
    if (!answer.ok()) {
      renewed->outdated[name] = absl::StrCat(answer.status().message(),
                                             "; it means what it meant before, ", Listed(meaning));
    } else if (!Same(*answer, meaning)) {
      meaning = *answer;
      renewed->changed.push_back(name);
    }
  }
}

template <typename Answers, typename Former>
void UseFormerOf(const Former& former, Answers& answers,
                 std::map<std::string, std::string>& outdated) {
  for (auto& [name, answer] : answers) {
    if (!IsUnanswered(answer.status())) continue;
    const auto before = former.find(name);
    if (before == former.end()) continue;
    outdated[name] = absl::StrCat(answer.status().message(), "; it means what it meant before, ",
                                  Listed(before->second));
    answer = before->second;
  }
}

}  // namespace

LookedUp LookedUp::Of(const NameMeanings& meanings) {
  LookedUp answers;
  for (const auto& [name, addresses] : meanings.hosts) answers.hosts.emplace(name, addresses);
  for (const auto& [name, number] : meanings.networks) answers.networks.emplace(name, number);
  return answers;
}

void LookedUp::Add(LookedUp other) {
  hosts.merge(std::move(other.hosts));
  networks.merge(std::move(other.networks));
  outdated.merge(std::move(other.outdated));
}

bool LookedUp::unanswered() const { return AnyUnanswered(hosts) || AnyUnanswered(networks); }

void LookedUp::UseFormer(const NameMeanings& former) {
  UseFormerOf(former.hosts, hosts, outdated);
  UseFormerOf(former.networks, networks, outdated);
}

void LookedUp::Outdate(const std::string& why) {
  for (const auto& [name, answer] : hosts) outdated[name] = why;
  for (const auto& [name, answer] : networks) outdated[name] = why;
}

LookedUp LookUp(const NameSet& wanted, Names& names) {
  LookedUp answers;
  for (const std::string& name : wanted.hosts) answers.hosts.emplace(name, names.Host(name));
  for (const std::string& name : wanted.networks) {
    answers.networks.emplace(name, names.Network(name));
  }
  return answers;
}

RenewedNames Renew(const NameMeanings& before, const LookedUp& found) {
  RenewedNames renewed{before, {}, {}};
  RenewOf(found.hosts, renewed.meanings.hosts, &renewed);
  RenewOf(found.networks, renewed.meanings.networks, &renewed);
  return renewed;
}

absl::StatusOr<std::vector<Address>> AnsweredNames::Host(const std::string& name) {
  const auto answer = answers_->hosts.find(name);
  if (answer != answers_->hosts.end()) {
    NoteIfOutdated(name);
    return answer->second;
  }
  wanted_.hosts.insert(name);
  return std::vector<Address>{Address::IpV4(0)};
}

absl::StatusOr<uint32_t> AnsweredNames::Network(const std::string& name) {
  const auto answer = answers_->networks.find(name);
  if (answer != answers_->networks.end()) {
    NoteIfOutdated(name);
    return answer->second;
  }
  wanted_.networks.insert(name);
  return 0x0a000000;
}

void AnsweredNames::NoteIfOutdated(const std::string& name) {
  const auto why = answers_->outdated.find(name);
  if (why != answers_->outdated.end()) outdated_.insert(*why);
}

}  // namespace sluice::server::policy
