#include "server/policy/parser.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/policy/decision_parser.h"
#include "server/policy/object_parser.h"
#include "server/policy/token_stream.h"

namespace sluice::server::policy {
namespace {

// The functions that read a part give false once they have reported a problem.
class Parser {
 public:
  Parser(std::string_view text, Problems* problems) : tokens_(text, problems) {}

  Syntax Run() {
    while (!tokens_.At(Token::Kind::kEnd) && !tokens_.problems().full()) {
      // An empty statement has nothing but its end.
      if (!tokens_.Take(Token::Kind::kSemicolon) && !Statement()) tokens_.Recover();
      if (rules_ > kMostRules) {
        tokens_.problems().Add(tokens_.previous_end(),
                               absl::StrCat("too many rules: a policy has at most ", kMostRules));
        break;
      }
    }
    return std::move(syntax_);
  }

 private:
  bool Statement() {
    if (tokens_.At("from") || tokens_.At("between")) return Pair({});
    if (tokens_.Take("rule")) {
      Word name;
      if (!tokens_.String("the rule's name in quotes", name)) return false;
      if (tokens_.At("from") || tokens_.At("between")) return Pair(name);
      return tokens_.Fail("`from` or `between`", {"from", "between"});
    }
    if (tokens_.Take("set")) return Set();
    if (tokens_.Take("default")) {
      DecisionSyntax decision;
      if (!AtDecision(tokens_)) {
        return tokens_.Fail("`accept`, `reject` or `ask`", kDecisionWords);
      }
      if (!ParseDecision(tokens_, decision)) return false;
      syntax_.fallback = decision;
      return true;
    }
    if (tokens_.Take("for")) return Mask();
    if (tokens_.Take("decider")) return Decider();
    return tokens_.Fail(
        "a statement: `from`, `between`, `rule`, `set`, `decider`, `default` or `for`",
        {"from", "between", "default", "for", "rule", "set", "decider"});
  }

  bool Pair(const Word& name) {
    PairSyntax pair;
    pair.name = name;
    pair.place = tokens_.token().place;
    pair.between = tokens_.At("between");
    tokens_.Advance();
    if (!ParseObject(tokens_, pair.first)) return false;
    const std::string_view joint = pair.between ? "and" : "to";
    if (!tokens_.Take(joint)) {
      return FailBehind(HasTransport(pair.first), Quoted(joint), {joint});
    }
    if (!ParseObject(tokens_, pair.second)) return false;
    if (!ParseConditions(tokens_, pair.condition)) return false;
    if (!AtDecision(tokens_)) {
      const bool conditions = !pair.condition.states.empty() || pair.condition.match;
      return FailBehind(conditions || HasTransport(pair.second),
                        "`state`, `match`, `accept`, `reject` or `ask`",
                        {"state", "state-not", "match", "accept", "reject", "ask"});
    }
    if (!ParseDecision(tokens_, pair.decision)) return false;
    rules_ += pair.between ? 2 : 1;
    syntax_.pairs.push_back(std::move(pair));
    return true;
  }

  static bool HasTransport(const ObjectSyntax& object) {
    return object.transport.kind != TransportSyntax::Kind::kNone;
  }

  // Behind an address alone, a transport may stand too.
  bool FailBehind(bool complete, const std::string& expected,
                  std::initializer_list<std::string_view> words) {
    if (complete) return tokens_.Fail(expected, words);
    std::vector<std::string_view> all(words);
    all.insert(all.end(), {"icmp", "tcp", "udp", "proto", "proto-not"});
    return tokens_.Fail(
        absl::StrCat("`icmp`, `tcp`, `udp`, `proto`", words.size() == 1 ? " or " : ", ", expected),
        TokenStream::Words(all));
  }

  bool Decider() {
    DeciderSyntax decider;
    if (!tokens_.String("the decider's name in quotes", decider.name) || !tokens_.Expect("at")) {
      return false;
    }
    do {
      Word address;
      if (!tokens_.String("the decider's address in quotes", address)) return false;
      decider.addresses.push_back(address);
    } while (tokens_.Take(Token::Kind::kComma));
    syntax_.deciders.push_back(std::move(decider));
    ++rules_;
    return tokens_.End("`,` or `;`", {});
  }

  bool Mask() {
    MaskSyntax mask;
    if (!tokens_.Value("a network", {}, mask.network) || !tokens_.Expect("netmask") ||
        !tokens_.Expect("is") || !tokens_.Value("a mask", {}, mask.mask)) {
      return false;
    }
    syntax_.masks.push_back(mask);
    // One network, one mask; there is no use for more of them than for rules.
    ++rules_;
    return tokens_.End("`;`", {});
  }

  bool Set() {
    SetSyntax set;
    if (!tokens_.Value("the name of a set", {}, set.name)) return false;
    set.from_file = tokens_.Take("from");
    if (set.from_file) {
      if (!tokens_.String("the path of a file in quotes", set.file)) return false;
    } else if (!tokens_.Take(Token::Kind::kEquals)) {
      return tokens_.Fail("`=` or `from`", {"from"});
    } else if (!ParseSetItems(tokens_, set.items)) {
      return false;
    }
    syntax_.sets.push_back(std::move(set));
    ++rules_;
    return tokens_.End("`;`", {});
  }

  TokenStream tokens_;
  size_t rules_ = 0;
  Syntax syntax_;
};

}  // namespace

Syntax Parse(std::string_view text, Problems& problems) { return Parser(text, &problems).Run(); }

}  // namespace sluice::server::policy
