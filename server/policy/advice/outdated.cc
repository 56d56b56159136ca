#include <utility>

#include "server/policy/advice/warnings.h"

namespace sluice::server::policy {
namespace {

class Finder {
 public:
  Finder(std::map<std::string, std::string> outdated, Problems* warnings)
      : left_(std::move(outdated)), warnings_(warnings) {}

  bool done() const { return left_.empty(); }

  void Look(const Word& word) {
    const auto found = left_.find(std::string(word.text));
    if (found == left_.end()) return;
    warnings_->Add(word.place, found->second);
    left_.erase(found);
  }

  void Look(const AddressSyntax& syntax) {
    for (const AddressItem& item : syntax.items) {
      if (item.kind != AddressItem::Kind::kBare) Look(item.value);
    }
  }

 private:
  std::map<std::string, std::string> left_;
  Problems* const warnings_;
};

}  // namespace

void WarnOfOutdated(const Syntax& syntax, std::map<std::string, std::string> outdated,
                    Problems& warnings) {
  Finder finder(std::move(outdated), &warnings);
  for (const MaskSyntax& mask : syntax.masks) {
    finder.Look(mask.network);
    finder.Look(mask.mask);
  }
  for (const SetSyntax& set : syntax.sets) finder.Look({false, set.items});
  for (const PairSyntax& pair : syntax.pairs) {
    if (finder.done()) return;
    finder.Look(pair.first.address);
    finder.Look(pair.second.address);
  }
}

}  // namespace sluice::server::policy
