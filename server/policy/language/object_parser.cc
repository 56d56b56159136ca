#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/policy/language/statement_parsers.h"

namespace sluice::server::policy {
namespace {

// Most addresses of a list: as many as all lists and sets of a policy may have.
constexpr size_t kLongestList = 4'000'000;

constexpr std::string_view kProtocolNames[] = {"any", "icmp", "tcp", "udp"};

// Only addresses, prefixes and sets look so. A host name that does too needs `host` before it.
bool LooksLikeAddress(std::string_view word) {
  return absl::ascii_isdigit(static_cast<unsigned char>(word.front())) || word.front() == '@' ||
         word.find(':') != std::string_view::npos;
}

// Takes the current keyword, which may end in -not or be followed by `not`. Returns whether it is
// negated.
bool TakeNegatable(TokenStream& tokens) {
  const bool negated = tokens.token().text.ends_with("-not");
  tokens.Advance();
  return negated || tokens.Take("not") || tokens.Take("-not");
}

// VALUE, or { VALUE, VALUE … }, each read by `one`. The list may not be empty: it would match
// nothing, which nobody means.
template <typename One>
bool OneOrList(TokenStream& tokens, One one) {
  if (!tokens.Take(Token::Kind::kOpen)) return one();
  do {
    if (!one()) return false;
  } while (tokens.Take(Token::Kind::kComma) && !tokens.At(Token::Kind::kClose));
  return tokens.Expect(Token::Kind::kClose, "`,` or `}`");
}

bool Values(TokenStream& tokens, std::string_view what, std::vector<Word>& values,
            TokenStream::Words allowed = {}) {
  return OneOrList(tokens, [&] {
    Word value;
    if (!tokens.Value(what, allowed, value)) return false;
    values.push_back(value);
    return true;
  });
}

std::string_view Expected(AddressItem::Kind kind) {
  switch (kind) {
    case AddressItem::Kind::kHost:
      return "an address, a host name or `any`";
    case AddressItem::Kind::kNet:
      return "a network or `any`";
    case AddressItem::Kind::kSubnet:
      return "a subnet or `any`";
    case AddressItem::Kind::kBare:
      break;
  }
  return "an address, a prefix or a set";
}

// Reads one item of a list; without a keyword of its own, it has the kind of the list.
bool Item(TokenStream& tokens, AddressItem::Kind kind, std::vector<AddressItem>& items) {
  if (kind == AddressItem::Kind::kBare) {
    if (tokens.Take("host")) kind = AddressItem::Kind::kHost;
    if (tokens.Take("net")) kind = AddressItem::Kind::kNet;
  }
  if (items.size() == kLongestList) {
    tokens.problems().Add(tokens.token().place,
                          absl::StrCat("too many addresses: a list has at most ", kLongestList));
    return false;
  }
  AddressItem item{kind, {}};
  if (!tokens.Value(Expected(kind), {}, item.value)) return false;
  items.push_back(item);
  return true;
}

bool Address(TokenStream& tokens, AddressSyntax& address, bool& found) {
  using Kind = AddressItem::Kind;
  const auto with_keyword = [&](Kind kind) {
    address.negated = TakeNegatable(tokens);
    return OneOrList(tokens, [&] { return Item(tokens, kind, address.items); });
  };
  found = true;
  if (tokens.Take("any")) return true;
  if (tokens.At("host") || tokens.At("host-not")) return with_keyword(Kind::kHost);
  if (tokens.At("net") || tokens.At("net-not")) return with_keyword(Kind::kNet);
  if (tokens.At("subnet") || tokens.At("subnet-not")) return with_keyword(Kind::kSubnet);
  address.negated = tokens.Take("not");
  if (address.negated || tokens.At(Token::Kind::kOpen) ||
      (tokens.token().IsWord() && LooksLikeAddress(tokens.token().text))) {
    return OneOrList(tokens, [&] { return Item(tokens, Kind::kBare, address.items); });
  }
  found = false;
  return true;
}

// Reads FLAGS/FLAGS, where FLAGS are names separated by commas, into words as they come.
bool Flags(TokenStream& tokens, TransportSyntax& transport) {
  transport.flags_negated = TakeNegatable(tokens);
  do {
    Word word;
    if (!tokens.Value("TCP flags such as `syn` or `syn/syn,ack`", {}, word)) {
      return false;
    }
    transport.flags.push_back(word);
  } while (tokens.Take(Token::Kind::kComma));
  return true;
}

bool AtFlags(const TokenStream& tokens) { return tokens.At("flags") || tokens.At("flags-not"); }

bool TcpOrUdp(TokenStream& tokens, TransportSyntax& transport) {
  const bool tcp = tokens.At("tcp");
  transport.kind = tcp ? TransportSyntax::Kind::kTcpPort : TransportSyntax::Kind::kUdpPort;
  tokens.Advance();
  if (tcp && AtFlags(tokens)) return Flags(tokens, transport);
  if (!tokens.At("port") && !tokens.At("port-not")) {
    if (tcp) {
      return tokens.Fail("`port`, `port-not`, `flags` or `flags-not`",
                         {"port", "port-not", "flags", "flags-not"});
    }
    return tokens.Fail("`port` or `port-not`", {"port", "port-not"});
  }
  transport.negated = TakeNegatable(tokens);
  if (!Values(tokens, "a port, `reserved`, `xserver` or `any`", transport.values)) return false;
  return tcp && AtFlags(tokens) ? Flags(tokens, transport) : true;
}

bool Transport(TokenStream& tokens, TransportSyntax& transport) {
  if (tokens.Take("icmp")) {
    transport.kind = TransportSyntax::Kind::kIcmpType;
    if (!tokens.At("type") && !tokens.At("type-not")) {
      return tokens.Fail("`type` or `type-not`", {"type", "type-not"});
    }
    transport.negated = TakeNegatable(tokens);
    return Values(tokens, "an ICMP type, `infotype` or `any`", transport.values);
  }
  if (tokens.At("tcp") || tokens.At("udp")) return TcpOrUdp(tokens, transport);
  if (tokens.At("proto") || tokens.At("proto-not")) {
    transport.kind = TransportSyntax::Kind::kProtocol;
    transport.negated = TakeNegatable(tokens);
    return Values(tokens, "a protocol or `any`", transport.values, kProtocolNames);
  }
  return true;
}

bool SaidTwice(TokenStream& tokens) {
  tokens.problems().Add(tokens.token().place,
                        absl::StrCat(Quoted(tokens.token().text), " is said twice"));
  return false;
}

}  // namespace

bool ParseConditions(TokenStream& tokens, ConditionSyntax& condition) {
  // These are not keywords: screend's language has nothing in this place.
  while (true) {
    if (tokens.At("state") || tokens.At("state-not")) {
      if (!condition.states.empty()) return SaidTwice(tokens);
      condition.state_negated = TakeNegatable(tokens);
      if (!Values(tokens, "`new`, `established`, `related` or `invalid`", condition.states)) {
        return false;
      }
    } else if (tokens.At("match")) {
      if (condition.match) return SaidTwice(tokens);
      tokens.Advance();
      if (!tokens.String("an expression of pcap-filter(7) in quotes", condition.match.emplace())) {
        return false;
      }
    } else {
      return true;
    }
  }
}

bool ParseSetItems(TokenStream& tokens, std::vector<AddressItem>& items) {
  if (!tokens.Expect(Token::Kind::kOpen, "`{`")) return false;
  while (!tokens.At(Token::Kind::kClose)) {
    if (!Item(tokens, AddressItem::Kind::kBare, items)) return false;
    if (!tokens.Take(Token::Kind::kComma)) break;
  }
  return tokens.Expect(Token::Kind::kClose, "`,` or `}`");
}

bool ParseObject(TokenStream& tokens, ObjectSyntax& object) {
  // `group` is not a keyword: screend's files may have hosts with that name.
  bool found = tokens.At("group") || tokens.At("group-not");
  if (found) {
    object.group.negated = TakeNegatable(tokens);
    if (!Values(tokens, "the name of a group", object.group.values)) return false;
  }
  bool addresses = false;
  if (!Address(tokens, object.address, addresses)) return false;
  if (!Transport(tokens, object.transport)) return false;
  found = found || addresses || object.transport.kind != TransportSyntax::Kind::kNone;
  if (found) return true;
  return tokens.Fail(
      "an address, `any`, `host`, `net`, `subnet`, `group`, `icmp`, `tcp`, `udp` or `proto`",
      {"any", "host", "net", "subnet", "icmp", "tcp", "udp", "proto", "host-not", "net-not",
       "subnet-not", "proto-not", "group", "group-not"});
}

}  // namespace sluice::server::policy
