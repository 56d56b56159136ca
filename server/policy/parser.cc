#include "server/policy/parser.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/policy/object_parser.h"
#include "server/policy/token_stream.h"

namespace sluice::server::policy {
namespace {

constexpr std::pair<std::string_view, Notify> kNotifies[] = {
    {"host-unreachable", Notify::kHostUnreachable},
    {"admin-prohibited", Notify::kAdminProhibited},
    {"port-unreachable", Notify::kPortUnreachable},
    {"tcp-reset", Notify::kTcpReset},
};

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
      if (!Decision("`accept` or `reject`", {"accept", "reject"}, decision)) return false;
      syntax_.fallback = decision;
      return true;
    }
    if (tokens_.Take("for")) return Mask();
    return tokens_.Fail("a statement: `from`, `between`, `rule`, `set`, `default` or `for`",
                        {"from", "between", "default", "for", "rule", "set"});
  }

  bool Pair(const Word& name) {
    PairSyntax pair;
    pair.name = name;
    pair.place = tokens_.token().place;
    pair.between = tokens_.At("between");
    tokens_.Advance();
    if (!ParseObject(tokens_, pair.first)) return false;
    const std::string_view joint = pair.between ? "and" : "to";
    if (!tokens_.Take(joint)) return FailBehind(pair.first, Quoted(joint), {joint});
    if (!ParseObject(tokens_, pair.second)) return false;
    if (!tokens_.At("accept") && !tokens_.At("reject")) {
      return FailBehind(pair.second, "`accept` or `reject`", {"accept", "reject"});
    }
    if (!Decision("", {}, pair.decision)) return false;
    rules_ += pair.between ? 2 : 1;
    syntax_.pairs.push_back(std::move(pair));
    return true;
  }

  // Behind an address alone, a transport may stand too.
  bool FailBehind(const ObjectSyntax& object, const std::string& expected,
                  std::initializer_list<std::string_view> words) {
    if (object.transport.kind != TransportSyntax::Kind::kNone) {
      return tokens_.Fail(expected, words);
    }
    std::vector<std::string_view> all(words);
    all.insert(all.end(), {"icmp", "tcp", "udp", "proto", "proto-not"});
    return tokens_.Fail(
        absl::StrCat("`icmp`, `tcp`, `udp`, `proto`", words.size() == 1 ? " or " : ", ", expected),
        TokenStream::Words(all));
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

  bool Decision(std::string_view expected, std::initializer_list<std::string_view> words,
                DecisionSyntax& decision) {
    if (tokens_.Take("accept")) {
      decision.accept = true;
    } else if (!tokens_.Take("reject")) {
      return tokens_.Fail(expected, words);
    }
    while (true) {
      const bool notify = tokens_.At("notify");
      if (!notify && !tokens_.At("log")) break;
      if (notify ? decision.notify != Notify::kNone : decision.log) {
        tokens_.problems().Add(tokens_.token().place,
                               absl::StrCat(Quoted(tokens_.token().text), " is said twice"));
        return false;
      }
      tokens_.Advance();
      if (notify) {
        decision.notify = NotifyKind();
      } else {
        decision.log = true;
      }
    }
    if (decision.notify == Notify::kNone) {
      return tokens_.End("`notify`, `log` or `;`", kBehindDecision);
    }
    return tokens_.End("`notify`, `log` or `;`", kBehindNotify);
  }

  // screend's `notify` says no kind.
  Notify NotifyKind() {
    for (const auto& [word, notify] : kNotifies) {
      if (tokens_.Take(word)) return notify;
    }
    return Notify::kHostUnreachable;
  }

  static constexpr std::string_view kBehindDecision[] = {"notify", "log"};
  static constexpr std::string_view kBehindNotify[] = {
      "notify", "log", "host-unreachable", "admin-prohibited", "port-unreachable", "tcp-reset"};

  TokenStream tokens_;
  size_t rules_ = 0;
  Syntax syntax_;
};

}  // namespace

Syntax Parse(std::string_view text, Problems& problems) { return Parser(text, &problems).Run(); }

}  // namespace sluice::server::policy
