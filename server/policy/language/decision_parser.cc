#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/policy/language/statement_parsers.h"

namespace sluice::server::policy {
namespace {

constexpr std::pair<std::string_view, Notify> kNotifies[] = {
    {"host-unreachable", Notify::kHostUnreachable},
    {"admin-prohibited", Notify::kAdminProhibited},
    {"port-unreachable", Notify::kPortUnreachable},
    {"tcp-reset", Notify::kTcpReset},
};

bool Duration(TokenStream& tokens, std::string_view expected, Word& duration) {
  if (!tokens.token().IsWord()) return tokens.Fail(expected, {"connection"});
  duration = {tokens.token().text, tokens.token().place};
  tokens.Advance();
  return true;
}

bool Ask(TokenStream& tokens, AskSyntax& ask) {
  if (!tokens.String("the name of a decider in quotes", ask.decider) || !tokens.Expect("within") ||
      !Duration(tokens, "a time such as `20ms`", ask.within) || !tokens.Expect("else")) {
    return false;
  }
  // This decision holds if the decider does not answer, so it cannot ask a decider itself.
  return tokens.At("accept") || tokens.At("reject") ||
         tokens.Fail("`accept` or `reject`", {"accept", "reject"});
}

bool Report(TokenStream& tokens, const std::string& message) {
  tokens.problems().Add(tokens.token().place, message);
  return false;
}

bool SaidTwice(TokenStream& tokens) {
  return Report(tokens, absl::StrCat(Quoted(tokens.token().text), " is said twice"));
}

// At `for` or `from`.
bool ReadScope(TokenStream& tokens, DecisionSyntax& decision) {
  if (decision.scope != Scope::kPacket) {
    return Report(tokens, "a decision has one scope: `for connection`, `for 60s` or `from source`");
  }
  if (tokens.Take("from")) {
    if (!tokens.Expect("source")) return false;
    decision.scope = Scope::kSource;
  } else {
    tokens.Advance();
    if (!tokens.Take("connection")) {
      decision.scope = Scope::kPeer;
      return Duration(tokens, "`connection` or a time such as `60s`", decision.lifetime.emplace());
    }
    decision.scope = Scope::kConnection;
  }
  if (!tokens.At("for") || !tokens.AtScope()) return true;
  tokens.Advance();
  return Duration(tokens, "a time such as `60s`", decision.lifetime.emplace());
}

// screend's `notify` has no kind; it means host-unreachable.
Notify ReadNotify(TokenStream& tokens) {
  for (const auto& [word, notify] : kNotifies) {
    if (tokens.Take(word)) return notify;
  }
  return Notify::kHostUnreachable;
}

}  // namespace

bool ParseDecision(TokenStream& tokens, DecisionSyntax& decision) {
  if (tokens.Take("ask") && !Ask(tokens, decision.ask.emplace())) return false;
  decision.accept = tokens.At("accept");
  tokens.Advance();
  std::vector<std::string_view> words = {"log", "notify"};
  while (true) {
    if (tokens.AtScope()) {
      if (!ReadScope(tokens, decision)) return false;
    } else if (tokens.At("log")) {
      if (decision.log) return SaidTwice(tokens);
      tokens.Advance();
      decision.log = true;
    } else if (tokens.At("notify")) {
      if (decision.notify != Notify::kNone) return SaidTwice(tokens);
      tokens.Advance();
      decision.notify = ReadNotify(tokens);
      for (const auto& [word, notify] : kNotifies) words.push_back(word);
    } else {
      // On a new line the word is more likely a misspelt statement.
      if (tokens.token().place.line == tokens.previous_end().line) {
        words.insert(words.end(), {"from", "for"});
      }
      return tokens.End("`log`, `notify`, `for`, `from source` or `;`", words);
    }
  }
}

}  // namespace sluice::server::policy
