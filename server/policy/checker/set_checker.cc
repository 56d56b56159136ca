#include <utility>

#include "absl/strings/str_cat.h"
#include "server/policy/checker/address_checker.h"
#include "server/policy/checker/checker.h"
#include "server/policy/terms/nearest_word.h"
#include "server/policy/terms/set_text.h"

namespace sluice::server::policy {
void AddressChecker::Declare(const SetSyntax& syntax) {
  if (IsLiteral(syntax.name.text) || syntax.name.text.find('@') != std::string_view::npos) {
    Report(syntax.name, absl::StrCat(Quoted(syntax.name.text),
                                     " is no name for a set: write `set NAME`, later `@NAME`"));
    return;
  }
  const auto [entry, added] = sets_.emplace(std::string(syntax.name.text), nullptr);
  if (!added) {
    Report(syntax.name, absl::StrCat("there is a set ", Quoted(syntax.name.text), " already"));
    return;
  }
  auto set = std::make_shared<AddressSet>();
  set->from_file = syntax.from_file;
  if (syntax.from_file) {
    ReadFile(syntax.file, *set);
  } else {
    AddressTerm term;
    for (const AddressItem& item : syntax.items) {
      if (problems_->full()) return;
      if (item.value.text.front() == '@' || item.value.text == "any") {
        Report(item.value, "a set is made of addresses, prefixes, hosts and networks");
        continue;
      }
      ReadItem(item, term);
    }
    set->patterns = std::move(term.patterns);
  }
  set_addresses_ += set->patterns.size();
  if (set_addresses_ > kMostSetAddresses) {
    Report(syntax.name, absl::StrCat("too many addresses: the sets of a policy have at most ",
                                     kMostSetAddresses));
    return;
  }
  entry->second = std::move(set);
}

void AddressChecker::ReadFile(const Word& file, AddressSet& set) {
  const absl::StatusOr<std::string> text = lookup_->SetFile(file.text);
  if (!text.ok()) {
    Report(file, text.status());
    return;
  }
  absl::StatusOr<std::vector<AddressPattern>> patterns = ParseSetText(*text, file.text);
  if (!patterns.ok()) {
    Report(file, patterns.status());
    return;
  }
  set.patterns = *std::move(patterns);
}

std::shared_ptr<const AddressSet> AddressChecker::Set(const Word& word) {
  const std::string_view name = word.text.substr(1);
  const auto found = sets_.find(name);
  if (found != sets_.end()) return found->second;
  if (!complete_) return nullptr;
  std::vector<std::string_view> names;
  for (const auto& [known, set] : sets_) names.push_back(known);
  const std::string_view meant = NearestWord(name, names);
  Report(word,
         absl::StrCat("no set ", Quoted(name),
                      meant.empty() ? std::string(": write `set NAME = { … };`")
                                    : absl::StrCat(": did you mean `@", std::string(meant), "`?")));
  return nullptr;
}

}  // namespace sluice::server::policy
