#include "agent/config/config_reader.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/config/config_rules.h"
#include "agent/config/message_reader.h"
#include "agent/config/yaml_tree.h"

namespace sluice::agent {
namespace {

// A page of problems is enough to work on.
constexpr size_t kMaxProblemsShown = 30;

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

absl::Status AsStatus(std::vector<Problem> problems, std::string_view file_name) {
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.place.line, a.place.column) < std::tie(b.place.line, b.place.column);
  });
  const std::string file(file_name);
  std::string text;
  for (size_t i = 0; i < std::min(problems.size(), kMaxProblemsShown); ++i) {
    const Problem& problem = problems[i];
    absl::StrAppend(&text, i == 0 ? "" : "\n", file, ":", problem.place.line, ":",
                    problem.place.column, ": ", problem.key, problem.key.empty() ? "" : ": ",
                    problem.text);
  }
  if (problems.size() > kMaxProblemsShown) {
    absl::StrAppend(&text, "\n", file, ": and ", problems.size() - kMaxProblemsShown, " more");
  }
  return absl::InvalidArgumentError(text);
}

}  // namespace

absl::StatusOr<AgentConfig> ReadConfig(std::string_view text, std::string_view file_name) {
  std::vector<Problem> problems;
  const auto tree = ParseYaml(text, problems);
  AgentConfig config;
  if (tree) {
    KeyPlaces places;
    FillPresets(config);
    config.set_gateway(HostName());
    if (tree->kind == YamlValue::Kind::kMap) {
      ReadMessage(*tree, config, places, problems);
    } else if (tree->kind != YamlValue::Kind::kNull) {
      problems.push_back(
          {tree->place, "",
           "this is no configuration: keys are wanted, as in `servers: [\"192.0.2.1:7654\"]`"});
    }
    CheckRules(config, places, problems);
  }
  if (!problems.empty()) return AsStatus(std::move(problems), file_name);
  return config;
}

absl::StatusOr<AgentConfig> ReadConfigFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be read"));
  // One byte more than is allowed, for the reader to see that it is too long.
  std::string text(kMaxYamlBytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get())) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be read"));
  }
  return ReadConfig(text, path);
}

}  // namespace sluice::agent
