#include "clients/cli/policy/trial_table.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "clients/cli/format/observe_rows.h"
#include "clients/cli/format/table.h"
#include "clients/cli/format/text.h"
#include "clients/cli/format/words.h"

namespace sluice::cli {
namespace {

std::string WithRule(const v1::PolicyRuling& ruling) {
  return absl::StrCat(RulingWords(ruling), " (", ruling.reason(), ")");
}

Color ColorOf(const v1::PolicyRuling& ruling) {
  return ruling.action() == v1::ACTION_ACCEPT ? Color::kGreen : Color::kRed;
}

std::string Example(const v1::PolicyDifference& difference) {
  // Protocol, source, destination, details.
  const std::vector<Cell> cells = PacketRow(0, difference.example());
  return absl::StrCat(cells[1].text, " ", cells[2].text, " > ", cells[3].text,
                      cells[4].text.empty() ? "" : " ", cells[4].text, " on ",
                      difference.gateway());
}

}  // namespace

std::string RulingWords(const v1::PolicyRuling& ruling) {
  std::string words;
  if (!ruling.decider().empty()) words = absl::StrCat("ask ", ruling.decider(), ", else ");
  absl::StrAppend(&words, ActionWord(ruling.action()));
  if (ruling.notify() != v1::NOTIFY_UNSPECIFIED) {
    absl::StrAppend(&words, " ", NotifyWord(ruling.notify()));
  }
  if (ruling.scope() > v1::SCOPE_PACKET) {
    absl::StrAppend(&words, " for ", ScopeWord(ruling.scope()));
    if (ruling.has_lifetime()) absl::StrAppend(&words, " ", ruling.lifetime().seconds(), "s");
  }
  if (ruling.logged()) absl::StrAppend(&words, " log");
  return words;
}

void TrialTable::Take(const v1::TryPolicyResponse& response) {
  for (const v1::PolicyDifference& difference : response.differences()) {
    differences_[{absl::StrCat(response.policy_version(), " ", WithRule(difference.live())),
                  WithRule(difference.tried())}] = difference;
  }
  last_ = response;
  last_.clear_differences();
}

void TrialTable::Print(size_t rows, bool color, std::ostream& out) const {
  std::vector<const v1::PolicyDifference*> sorted;
  sorted.reserve(differences_.size());
  for (const auto& [key, difference] : differences_) sorted.push_back(&difference);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto* a, const auto* b) { return a->packets() > b->packets(); });
  if (sorted.size() > rows) sorted.resize(rows);
  if (!sorted.empty()) {
    Table table({{"PACKETS", Align::kRight}, {"LIVE SAYS"}, {"TRIAL SAYS"}, {"FOR ONE"}}, &out,
                color);
    for (const v1::PolicyDifference* difference : sorted) {
      table.Row({{absl::StrCat(difference->packets()), Color::kBold},
                 {WithRule(difference->live()), ColorOf(difference->live())},
                 {WithRule(difference->tried()), ColorOf(difference->tried())},
                 Example(*difference)});
    }
  }
  if (differences_.size() > rows) {
    out << "and " << differences_.size() - rows << " more kinds of difference\n";
  }
  if (last_.others() > 0) {
    out << "and " << last_.others() << " packets beyond what is told apart\n";
  }
  out << last_.packets() << " packets put to both, " << last_.differing() << " differ";
  if (last_.left_out() > 0) {
    out << "; " << last_.left_out() << " left out, as the server had no time for them";
  }
  out << "\n";
}

}  // namespace sluice::cli
