#include "clients/cli/policy/policy_change.h"

#include "clients/cli/format/text.h"
#include "clients/cli/policy/policy_words.h"
#include "clients/cli/verb/verb.h"

namespace sluice::cli {

void AddChangeOptions(CLI::App& verb, ChangeOptions* options) {
  verb.add_option("--author", options->author,
                  "Who makes the change, for the history (default: "
                  "user@host)")
      ->transform(AsUtf8())
      ->type_name("NAME");
  verb.add_option("--if-version", options->if_version,
                  "Only if VERSION is the current one, not over a colleague's change")
      ->type_name("VERSION");
  AddConfirmWithinOption(verb, &options->confirm_within,
                         "Go back to the last confirmed policy after TIME, unless `policy confirm` "
                         "is run before then");
}

void PrintChange(const v1::Policy& previous, const v1::Policy& current, Context& context) {
  *context.out << "was " << Describe(previous) << "\nnow " << Describe(current) << '\n';
  if (!current.has_reverts_in()) return;
  *context.out << "reverts in " << FormatTimeLeft(current.reverts_in())
               << " unless confirmed by: sluicectl policy confirm " << current.version() << '\n';
}

}  // namespace sluice::cli
