#include "server/policy/language/parser.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/policy/language/includes.h"
#include "server/policy/language/statement_parsers.h"
#include "server/policy/language/token_stream.h"

namespace sluice::server::policy {
namespace {

// The functions that read a part return false once they have reported a problem.
class Parser {
 public:
  Parser(const PolicyTexts& texts, Problems* problems, uint64_t most_memory)
      : includes_(texts, problems), problems_(problems), most_memory_(most_memory) {}

  Syntax Run() {
    while (!problems_->full()) {
      if (tokens().At(Token::Kind::kEnd)) {
        if (!includes_.Close()) break;
        continue;
      }
      // An empty statement is only its `;`.
      if (!tokens().Take(Token::Kind::kSemicolon) && !Statement()) tokens().Recover();
      if (rules_ > kMostRules) {
        problems_->Add(tokens().previous_end(),
                       absl::StrCat("too many rules: a policy has at most ", kMostRules));
        break;
      }
      syntax_.memory = rules_ * kBytesPerRule + addresses_ * kBytesPerAddress;
      if (syntax_.memory > most_memory_) break;
    }
    std::move(includes_).Take(syntax_.files, syntax_.missing);
    return std::move(syntax_);
  }

 private:
  TokenStream& tokens() { return includes_.tokens(); }

  bool Statement() {
    if (tokens().At("from") || tokens().At("between")) return Pair({});
    if (tokens().Take("rule")) {
      Word name;
      if (!tokens().String("the rule's name in quotes", name)) return false;
      if (tokens().At("from") || tokens().At("between")) return Pair(name);
      return tokens().Fail("`from` or `between`", {"from", "between"});
    }
    if (tokens().Take("set")) return Set();
    if (tokens().Take("default")) {
      DecisionSyntax decision;
      if (!AtDecision(tokens())) {
        return tokens().Fail("`accept`, `reject` or `ask`", kDecisionWords);
      }
      if (!ParseDecision(tokens(), decision)) return false;
      syntax_.fallback = decision;
      return true;
    }
    if (tokens().Take("for")) return Mask();
    if (tokens().Take("decider")) return Decider();
    if (tokens().Take("include")) return Include();
    return tokens().Fail(
        "a statement: `from`, `between`, `rule`, `set`, `decider`, `include`, `default` or `for`",
        {"from", "between", "default", "for", "rule", "set", "decider", "include"});
  }

  bool Pair(const Word& name) {
    PairSyntax pair;
    pair.name = name;
    pair.place = tokens().token().place;
    pair.between = tokens().At("between");
    tokens().Advance();
    if (!ParseObject(tokens(), pair.first)) return false;
    const std::string_view joint = pair.between ? "and" : "to";
    if (!tokens().Take(joint)) {
      return FailBehind(HasTransport(pair.first), Quoted(joint), {joint});
    }
    if (!ParseObject(tokens(), pair.second)) return false;
    if (!ParseConditions(tokens(), pair.condition)) return false;
    if (!AtDecision(tokens())) {
      const bool conditions = !pair.condition.states.empty() || pair.condition.match;
      return FailBehind(conditions || HasTransport(pair.second),
                        "`state`, `match`, `accept`, `reject` or `ask`",
                        {"state", "state-not", "match", "accept", "reject", "ask"});
    }
    if (!ParseDecision(tokens(), pair.decision)) return false;
    const size_t rules = pair.between ? 2 : 1;
    rules_ += rules;
    addresses_ += rules * (pair.first.address.items.size() + pair.second.address.items.size());
    syntax_.pairs.push_back(std::move(pair));
    return true;
  }

  static bool HasTransport(const ObjectSyntax& object) {
    return object.transport.kind != TransportSyntax::Kind::kNone;
  }

  // After an address alone, a transport may follow too.
  bool FailBehind(bool complete, const std::string& expected,
                  std::initializer_list<std::string_view> words) {
    if (complete) return tokens().Fail(expected, words);
    std::vector<std::string_view> all(words);
    all.insert(all.end(), {"icmp", "tcp", "udp", "proto", "proto-not"});
    return tokens().Fail(
        absl::StrCat("`icmp`, `tcp`, `udp`, `proto`", words.size() == 1 ? " or " : ", ", expected),
        TokenStream::Words(all));
  }

  bool Decider() {
    DeciderSyntax decider;
    if (!tokens().String("the decider's name in quotes", decider.name) || !tokens().Expect("at")) {
      return false;
    }
    do {
      Word address;
      if (!tokens().String("the decider's address in quotes", address)) return false;
      decider.addresses.push_back(address);
    } while (tokens().Take(Token::Kind::kComma));
    syntax_.deciders.push_back(std::move(decider));
    ++rules_;
    return tokens().End("`,` or `;`", {});
  }

  bool Include() {
    Word name;
    if (!tokens().String("the name of a file in quotes", name)) return false;
    ++rules_;
    if (!tokens().End("`;`", {})) return false;
    includes_.Open(name);
    return true;
  }

  bool Mask() {
    MaskSyntax mask;
    if (!tokens().Value("a network", {}, mask.network) || !tokens().Expect("netmask") ||
        !tokens().Expect("is") || !tokens().Value("a mask", {}, mask.mask)) {
      return false;
    }
    syntax_.masks.push_back(mask);
    // Each network needs only one mask; no policy needs more of them than rules.
    ++rules_;
    return tokens().End("`;`", {});
  }

  bool Set() {
    SetSyntax set;
    if (!tokens().Value("the name of a set", {}, set.name)) return false;
    set.from_file = tokens().Take("from");
    if (set.from_file) {
      if (!tokens().String("the path of a file in quotes", set.file)) return false;
    } else if (!tokens().Take(Token::Kind::kEquals)) {
      return tokens().Fail("`=` or `from`", {"from"});
    } else if (!ParseSetItems(tokens(), set.items)) {
      return false;
    }
    addresses_ += set.items.size();
    syntax_.sets.push_back(std::move(set));
    ++rules_;
    return tokens().End("`;`", {});
  }

  Includes includes_;
  Problems* const problems_;
  const uint64_t most_memory_;
  size_t rules_ = 0;
  size_t addresses_ = 0;  // Counted once for each rule they are in.
  Syntax syntax_;
};

}  // namespace

Syntax Parse(const PolicyTexts& texts, Problems& problems, uint64_t most_memory) {
  return Parser(texts, &problems, most_memory).Run();
}

}  // namespace sluice::server::policy
