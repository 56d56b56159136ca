#pragma once

#include "clients/cli/verb/verb.h"

namespace sluice::cli {

// Each verb is a file with one Add…Verb. It adds the verb to `root`; when the verb is parsed, it
// puts what to do into `action`. `action` outlives `root`.
void AddGatewaysVerb(CLI::App& root, Action* action);
void AddModeVerb(CLI::App& root, Action* action);
void AddStatVerb(CLI::App& root, Action* action);
void AddQueueVerb(CLI::App& root, Action* action);
void AddRememberedVerb(CLI::App& root, Action* action);
void AddServerVerb(CLI::App& root, Action* action);
void AddDecidersVerb(CLI::App& root, Action* action);
// `observe` has sub-verbs: the next two functions add them to the verb that this returns.
CLI::App& AddObserveVerb(CLI::App& root);
void AddDecisionsVerb(CLI::App& observe, Action* action);
void AddConnectionsVerb(CLI::App& observe, Action* action);

}  // namespace sluice::cli
