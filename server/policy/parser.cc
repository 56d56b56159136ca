#include "server/policy/parser.h"

#include <algorithm>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/policy/keywords.h"
#include "server/policy/lexer.h"
#include "server/policy/nearest_word.h"

namespace sluice::server::policy {
namespace {

constexpr std::string_view kProtocolNames[] = {"any", "icmp", "tcp", "udp"};

// Begins as only addresses and prefixes do. A host name that does too needs `host` before it.
bool LooksLikeAddress(std::string_view word) {
  return absl::ascii_isdigit(static_cast<unsigned char>(word.front())) ||
         word.find(':') != std::string_view::npos;
}

// The functions that read a part give false, or nothing, once they have reported a problem.
class Parser {
 public:
  Parser(std::string_view text, Problems* problems)
      : lexer_(text, problems), problems_(problems), token_(lexer_.Next()) {}

  Syntax Run() {
    while (token_.kind != Token::Kind::kEnd && !problems_->full()) {
      if (token_.kind == Token::Kind::kSemicolon) {
        Advance();  // an empty statement
      } else if (!Statement()) {
        Recover();
      }
      if (rules_ > kMostRules) {
        problems_->Add(previous_end_,
                       absl::StrCat("too many rules: a policy has at most ", kMostRules));
        break;
      }
    }
    return std::move(syntax_);
  }

 private:
  void Advance() {
    previous_end_ = token_.end;
    token_ = lexer_.Next();
  }

  bool At(std::string_view word) const {
    return token_.kind == Token::Kind::kWord && token_.text == word;
  }

  bool Take(std::string_view word) {
    if (!At(word)) return false;
    Advance();
    return true;
  }

  // Reports that `expected`, for people, is not what is here; `words` are those it may have been
  // meant to be.
  bool Fail(std::string_view expected, std::initializer_list<std::string_view> words) {
    return Fail(expected, std::span(words.begin(), words.size()));
  }

  bool Fail(std::string_view expected, std::span<const std::string_view> words) {
    std::string message = absl::StrCat("expected ", std::string(expected), ", found ");
    switch (token_.kind) {
      case Token::Kind::kEnd:
        message += "the end of the policy";
        break;
      case Token::Kind::kSemicolon:
        message += "`;`";
        break;
      case Token::Kind::kWord: {
        message += Quoted(token_.text);
        const std::string_view meant = NearestWord(token_.text, words);
        if (!meant.empty()) {
          absl::StrAppend(&message, ": did you mean ", Quoted(meant), "?");
        }
        break;
      }
    }
    problems_->Add(token_.place, std::move(message));
    return false;
  }

  bool Expect(std::string_view word) { return Take(word) || Fail(Quoted(word), {word}); }

  // Goes on where a new statement begins. Whoever failed has either taken a token or stands at
  // one that begins no statement, so this always gets further.
  void Recover() {
    while (token_.kind == Token::Kind::kWord && !IsStarter(token_.text)) Advance();
    if (token_.kind == Token::Kind::kSemicolon) Advance();
  }

  bool Statement() {
    if (At("from") || At("between")) return Pair();
    if (Take("default")) {
      DecisionSyntax decision;
      if (!Decision("`accept` or `reject`", {"accept", "reject"}, decision)) return false;
      syntax_.fallback = decision;
      return true;
    }
    if (Take("for")) return Mask();
    return Fail("a statement: `from`, `between`, `default` or `for`",
                {"from", "between", "default", "for"});
  }

  bool Pair() {
    PairSyntax pair;
    pair.place = token_.place;
    pair.between = At("between");
    Advance();
    if (!Object(pair.first)) return false;
    const std::string_view joint = pair.between ? "and" : "to";
    if (!Take(joint)) return FailBehind(pair.first, Quoted(joint), {joint});
    if (!Object(pair.second)) return false;
    if (!At("accept") && !At("reject")) {
      return FailBehind(pair.second, "`accept` or `reject`", {"accept", "reject"});
    }
    if (!Decision("", {}, pair.decision)) return false;
    syntax_.pairs.push_back(pair);
    rules_ += pair.between ? 2 : 1;
    return true;
  }

  // Behind an address alone, a transport may stand too.
  bool FailBehind(const ObjectSyntax& object, const std::string& expected,
                  std::initializer_list<std::string_view> words) {
    if (object.transport.kind != TransportSyntax::Kind::kNone) return Fail(expected, words);
    std::vector<std::string_view> all(words);
    all.insert(all.end(), {"icmp", "tcp", "udp", "proto", "proto-not"});
    return Fail(
        absl::StrCat("`icmp`, `tcp`, `udp`, `proto`", words.size() == 1 ? " or " : ", ", expected),
        std::span<const std::string_view>(all));
  }

  bool Object(ObjectSyntax& object) {
    bool found = true;
    if (Take("any")) {
      object.address.kind = AddressSyntax::Kind::kAny;
    } else if (At("host") || At("host-not")) {
      object.address.kind = AddressSyntax::Kind::kHost;
      if (!NegatableValue("an address, a host name or `any`", object.address)) return false;
    } else if (At("net") || At("net-not")) {
      object.address.kind = AddressSyntax::Kind::kNet;
      if (!NegatableValue("a network or `any`", object.address)) return false;
    } else if (At("subnet") || At("subnet-not")) {
      object.address.kind = AddressSyntax::Kind::kSubnet;
      if (!NegatableValue("a subnet or `any`", object.address)) return false;
    } else if (token_.kind == Token::Kind::kWord && LooksLikeAddress(token_.text)) {
      object.address = {AddressSyntax::Kind::kBare, false, {token_.text, token_.place}};
      Advance();
    } else {
      found = false;
    }
    if (!Transport(object.transport)) return false;
    if (found || object.transport.kind != TransportSyntax::Kind::kNone) return true;
    return Fail("an address, `any`, `host`, `net`, `subnet`, `icmp`, `tcp`, `udp` or `proto`",
                {"any", "host", "net", "subnet", "icmp", "tcp", "udp", "proto", "host-not",
                 "net-not", "subnet-not", "proto-not"});
  }

  bool Transport(TransportSyntax& transport) {
    if (Take("icmp")) {
      transport.kind = TransportSyntax::Kind::kIcmpType;
      if (!At("type") && !At("type-not")) return Fail("`type` or `type-not`", {"type", "type-not"});
      return NegatableValue("an ICMP type, `infotype` or `any`", transport);
    }
    if (At("tcp") || At("udp")) {
      transport.kind =
          At("tcp") ? TransportSyntax::Kind::kTcpPort : TransportSyntax::Kind::kUdpPort;
      Advance();
      if (!At("port") && !At("port-not")) return Fail("`port` or `port-not`", {"port", "port-not"});
      return NegatableValue("a port, `reserved`, `xserver` or `any`", transport);
    }
    if (At("proto") || At("proto-not")) {
      transport.kind = TransportSyntax::Kind::kProtocol;
      return NegatableValue("a protocol or `any`", transport, kProtocolNames);
    }
    return true;
  }

  // A keyword at hand that may end in -not, or have `not` behind it, and the value of it.
  template <typename Term>
  bool NegatableValue(std::string_view what, Term& term,
                      std::span<const std::string_view> allowed = {}) {
    term.negated = token_.text.ends_with("-not");
    Advance();
    if (!term.negated && (Take("not") || Take("-not"))) term.negated = true;
    return Value(what, allowed, term.value);
  }

  bool Value(std::string_view what, std::span<const std::string_view> allowed, Word& value) {
    if (token_.kind != Token::Kind::kWord) return Fail(what, {});
    if (IsKeyword(token_.text) && token_.text != "any" &&
        std::find(allowed.begin(), allowed.end(), token_.text) == allowed.end()) {
      problems_->Add(token_.place,
                     absl::StrCat("expected ", std::string(what), ", found the keyword ",
                                  Quoted(token_.text), ": write a name like it in capitals"));
      return false;
    }
    value = {token_.text, token_.place};
    Advance();
    return true;
  }

  bool Mask() {
    MaskSyntax mask;
    if (!Value("a network", {}, mask.network) || !Expect("netmask") || !Expect("is") ||
        !Value("a mask", {}, mask.mask)) {
      return false;
    }
    syntax_.masks.push_back(mask);
    // One network, one mask; there is no use for more of them than for rules.
    ++rules_;
    return End("`;`", {});
  }

  bool Decision(std::string_view expected, std::initializer_list<std::string_view> words,
                DecisionSyntax& decision) {
    if (Take("accept")) {
      decision.accept = true;
    } else if (!Take("reject")) {
      return Fail(expected, words);
    }
    while (At("notify") || At("log")) {
      bool& flag = At("notify") ? decision.notify : decision.log;
      if (flag) {
        problems_->Add(token_.place, absl::StrCat(Quoted(token_.text), " is said twice"));
        return false;
      }
      flag = true;
      Advance();
    }
    return End("`notify`, `log` or `;`", {"notify", "log"});
  }

  // The `;`. One that is missing before the next statement, the next line or the end is reported
  // where it should be, and costs nothing else.
  bool End(std::string_view expected, std::initializer_list<std::string_view> words) {
    if (token_.kind == Token::Kind::kSemicolon) {
      Advance();
      return true;
    }
    if (token_.kind == Token::Kind::kWord && !IsStarter(token_.text) &&
        (token_.place.line == previous_end_.line ||
         !NearestWord(token_.text, std::span(words.begin(), words.size())).empty())) {
      return Fail(expected, words);
    }
    problems_->Add(previous_end_, "expected `;` at the end of the statement");
    return true;
  }

  Lexer lexer_;
  Problems* const problems_;  // Not owned.
  Token token_;               // The one to look at.
  Place previous_end_;        // Of the one before it.
  size_t rules_ = 0;
  Syntax syntax_;
};

}  // namespace

Syntax Parse(std::string_view text, Problems& problems) { return Parser(text, &problems).Run(); }

}  // namespace sluice::server::policy
