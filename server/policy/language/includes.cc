#include "server/policy/language/includes.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"

namespace sluice::server::policy {

Includes::Includes(const PolicyTexts& texts, Problems* problems)
    : texts_(texts), problems_(problems), size_(texts.own.size()) {
  open_.push_back({0, TokenStream(texts.own, problems, 0)});
}

uint32_t Includes::Number(const std::string& name) {
  const auto [entry, is_new] = numbers_.emplace(name, static_cast<uint32_t>(files_.size()));
  if (is_new) files_.push_back(name);
  return entry->second;
}

std::string Includes::Circle(size_t from) const {
  std::string circle = Quoted(files_[open_[from].file]);
  for (size_t i = from + 1; i <= open_.size(); ++i) {
    absl::StrAppend(&circle, " includes ",
                    Quoted(files_[open_[i == open_.size() ? from : i].file]));
  }
  return circle;
}

void Includes::Open(const Word& word) {
  // Names are shown to people and travel in messages, which are UTF-8.
  if (word.text.empty() || OneLine(word.text, word.text.size()) != word.text) {
    problems_->Add(word.place, absl::StrCat(Quoted(word.text), " is no name of a file"));
    return;
  }
  const std::filesystem::path here(files_[open_.back().file]);
  const std::string name = (here.parent_path() / word.text).lexically_normal().string();
  for (size_t i = 1; i < open_.size(); ++i) {
    if (files_[open_[i].file] != name) continue;
    problems_->Add(word.place, absl::StrCat("a file cannot include itself: ", Circle(i)));
    return;
  }
  if (open_.size() > kDeepestInclude) {
    problems_->Add(word.place,
                   absl::StrCat("files include one another at most ", kDeepestInclude, " deep"));
    return;
  }
  const auto found = texts_.files.find(name);
  if (found == texts_.files.end()) {
    if (std::find(missing_.begin(), missing_.end(), name) != missing_.end()) return;
    missing_.push_back(name);
    problems_->Add(word.place, absl::StrCat("the file `", name, "` is not there"));
    return;
  }
  size_ += found->second.size();
  if (size_ > kLargestPolicy) {
    problems_->Add(word.place, absl::StrCat("too large: a policy and the files it includes have at "
                                            "most ",
                                            kLargestPolicy, " bytes"));
    return;
  }
  const uint32_t file = Number(name);
  open_.push_back({file, TokenStream(found->second, problems_, file)});
}

bool Includes::Close() {
  if (open_.size() == 1) return false;
  open_.pop_back();
  return true;
}

void Includes::Take(std::vector<std::string>& files, std::vector<std::string>& missing) && {
  files = std::move(files_);
  missing = std::move(missing_);
}

}  // namespace sluice::server::policy
