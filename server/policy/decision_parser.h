#pragma once

#include <array>
#include <string_view>

#include "server/policy/syntax.h"
#include "server/policy/token_stream.h"

namespace sluice::server::policy {

// Words a decision begins with.
inline constexpr std::array<std::string_view, 3> kDecisionWords = {"accept", "reject", "ask"};

inline bool AtDecision(const TokenStream& tokens) {
  return tokens.At("accept") || tokens.At("reject") || tokens.At("ask");
}

// Reads a decision, where one begins, and the `;` behind it. False once a problem is reported.
bool ParseDecision(TokenStream& tokens, DecisionSyntax& decision);

}  // namespace sluice::server::policy
