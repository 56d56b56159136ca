#include "server/policies/hosts_file.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/policies/file_checksum.h"

namespace sluice::server {
namespace {

constexpr std::string_view kFirstLine = "sluice names, format 1\n";
constexpr std::string_view kSum = "sum: ";

std::string SumLine(std::string_view text) {
  return absl::StrCat(std::string(kSum), FileSum({text}), "\n");
}

absl::Status Wrong(absl::string_view line) {
  return absl::DataLossError(absl::StrCat("neither a host nor a network: ", line));
}

absl::Status AddHost(const std::vector<std::string>& words, absl::string_view line,
                     policy::NameMeanings* names) {
  std::vector<policy::Address>& addresses = names->hosts[words[1]];
  for (size_t i = 2; i < words.size(); ++i) {
    const auto address = policy::ParseAddress(words[i]);
    if (!address.ok()) return Wrong(line);
    addresses.push_back(*address);
  }
  return absl::OkStatus();
}

absl::Status AddNetwork(const std::vector<std::string>& words, absl::string_view line,
                        policy::NameMeanings* names) {
  const auto address = policy::ParseAddress(words[2]);
  if (words.size() != 3 || !address.ok() || address->size != 4) return Wrong(line);
  names->networks[words[1]] = address->ipv4();
  return absl::OkStatus();
}

}  // namespace

std::string FormatHostsFile(const policy::NameMeanings& names) {
  std::string text(kFirstLine);
  for (const auto& [name, addresses] : names.hosts) {
    absl::StrAppend(&text, "host ", name);
    for (const policy::Address& address : addresses) {
      absl::StrAppend(&text, " ", address.ToString());
    }
    text += '\n';
  }
  for (const auto& [name, number] : names.networks) {
    absl::StrAppend(&text, "network ", name, " ", policy::Address::IpV4(number).ToString(), "\n");
  }
  return text + SumLine(text);
}

absl::StatusOr<policy::NameMeanings> ParseHostsFile(std::string_view file) {
  if (!file.starts_with(kFirstLine)) return absl::DataLossError("not a file of names");
  const size_t end = file.rfind(kSum);
  if (end == std::string_view::npos || file.substr(end) != SumLine(file.substr(0, end))) {
    return absl::DataLossError("it is torn or was altered: its checksum does not match");
  }
  file = file.substr(kFirstLine.size(), end - kFirstLine.size());
  policy::NameMeanings names;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(file.data(), file.size()), '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    absl::Status status = Wrong(line);
    if (words.size() >= 3 && words[0] == "host") status = AddHost(words, line, &names);
    if (words.size() >= 3 && words[0] == "network") status = AddNetwork(words, line, &names);
    if (!status.ok()) return status;
  }
  return names;
}

}  // namespace sluice::server
