#include "clients/cli/policy_change.h"

#include "clients/cli/policy_words.h"
#include "clients/cli/text.h"
#include "clients/cli/verb.h"

namespace sluice::cli {

void AddChangeOptions(CLI::App& verb, ChangeOptions* options) {
  verb.add_option("--author", options->author,
                  "Who changes it, for the history; user@host if "
                  "not said")
      ->transform(AsUtf8())
      ->type_name("NAME");
  verb.add_option("--if-version", options->if_version,
                  "Only if this version is the policy now: not over a colleague's change")
      ->type_name("VERSION");
  AddConfirmWithinOption(verb, &options->confirm_within,
                         "Go back to the last policy that was confirmed unless `policy confirm` "
                         "is run in that time");
}

void PrintChange(const v1::Policy& previous, const v1::Policy& current, Context& context) {
  *context.out << "was " << Describe(previous) << "\nnow " << Describe(current) << '\n';
  if (!current.has_reverts_in()) return;
  *context.out << "reverts in " << FormatTimeLeft(current.reverts_in())
               << " unless confirmed by: sluicectl policy confirm " << current.version() << '\n';
}

}  // namespace sluice::cli
