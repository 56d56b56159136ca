#include "server/policies/policy_text.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

// Each round reads the files that the one before found missing: at least one, usually a whole level
// of includes.
constexpr int kMostRounds = 100;

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             &std::fclose);
  std::string text;
  char buffer[65536];
  size_t count = 0;
  while (file != nullptr && text.size() <= RuleSet::kLargestText &&
         (count = std::fread(buffer, 1, sizeof(buffer), file.get())) > 0) {
    text.append(buffer, count);
  }
  if (file == nullptr || std::ferror(file.get()) != 0) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read: ", std::strerror(errno)));
  }
  return text;
}

}  // namespace

absl::StatusOr<v1::PolicyText> LoadPolicy(const std::string& path,
                                          std::vector<std::string>* unreadable) {
  absl::StatusOr<std::string> own = ReadFile(path);
  if (!own.ok()) return own.status();
  v1::PolicyText policy;
  policy.set_source(ToUtf8(path));
  policy.set_text(ToUtf8(*own));
  for (int round = 0; round < kMostRounds; ++round) {
    unreadable->clear();
    bool more = false;
    for (const std::string& name : RuleSet::MissingFiles(policy)) {
      absl::StatusOr<std::string> text =
          ReadFile((std::filesystem::path(path).parent_path() / name).string());
      if (!text.ok()) {
        unreadable->emplace_back(text.status().message());
        continue;
      }
      v1::PolicyFile& file = *policy.add_files();
      file.set_name(name);
      file.set_text(ToUtf8(*text));
      more = true;
    }
    if (!more) break;
  }
  return policy;
}

}  // namespace sluice::server
