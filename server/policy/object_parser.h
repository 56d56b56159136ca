#pragma once

#include <vector>

#include "server/policy/syntax.h"
#include "server/policy/token_stream.h"

namespace sluice::server::policy {

// Reads an object: whose packets a rule is about. False once a problem is reported.
bool ParseObject(TokenStream& tokens, ObjectSyntax& object);

// Reads what may stand between the second object and the decision. False once a problem is
// reported.
bool ParseConditions(TokenStream& tokens, ConditionSyntax& condition);

// Reads what a set is made of, in braces; it may be empty. False once a problem is reported.
bool ParseSetItems(TokenStream& tokens, std::vector<AddressItem>& items);

}  // namespace sluice::server::policy
