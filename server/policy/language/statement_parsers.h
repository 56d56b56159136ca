#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "server/policy/language/syntax.h"
#include "server/policy/language/token_stream.h"

namespace sluice::server::policy {

// Reads an object, which is one side of a rule: the packets from it or to it. False once a problem
// is reported.
bool ParseObject(TokenStream& tokens, ObjectSyntax& object);

// Reads what may stand between the second object and the decision. False once a problem is
// reported.
bool ParseConditions(TokenStream& tokens, ConditionSyntax& condition);

// Reads the items of a set, in braces; there may be none. False once a problem is reported.
bool ParseSetItems(TokenStream& tokens, std::vector<AddressItem>& items);

// Words a decision begins with.
inline constexpr std::array<std::string_view, 3> kDecisionWords = {"accept", "reject", "ask"};

inline bool AtDecision(const TokenStream& tokens) {
  return tokens.At("accept") || tokens.At("reject") || tokens.At("ask");
}

// Reads the decision that begins here, and the `;` after it. False once a problem is reported.
bool ParseDecision(TokenStream& tokens, DecisionSyntax& decision);

}  // namespace sluice::server::policy
