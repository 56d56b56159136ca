#pragma once

#include "clients/cli/verb/verb.h"

namespace sluice::cli {

// Like the functions of verbs.h.
void AddScreenVerb(CLI::App& root, Action* action);

}  // namespace sluice::cli
