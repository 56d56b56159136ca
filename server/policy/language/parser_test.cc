#include "server/policy/language/parser.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::server::policy {
namespace {

// A statement written out again, every part of it, to compare with.
std::string Show(const GroupSyntax& group) {
  if (group.values.empty()) return "";
  std::string shown = group.negated ? "group-not(" : "group(";
  for (const Word& word : group.values) shown += std::string(word.text) + ",";
  shown.back() = ')';
  return shown + " ";
}

std::string Show(const AddressSyntax& address) {
  if (address.items.empty()) return "any";
  static constexpr const char* kKinds[] = {"host", "net", "subnet", "bare"};
  std::string shown;
  for (const AddressItem& item : address.items) {
    shown += (shown.empty() ? "" : "|") + std::string(kKinds[static_cast<int>(item.kind)]) +
             (address.negated ? "-not(" : "(") + std::string(item.value.text) + ")";
  }
  return shown;
}

std::string Show(const TransportSyntax& transport) {
  if (transport.kind == TransportSyntax::Kind::kNone) return "";
  static constexpr const char* kKinds[] = {"", " icmp", " tcp", " udp", " proto"};
  std::string shown = kKinds[static_cast<int>(transport.kind)];
  if (!transport.values.empty()) {
    shown += transport.negated ? "-not(" : "(";
    for (const Word& word : transport.values) shown += std::string(word.text) + ",";
    shown.back() = ')';
  }
  if (!transport.flags.empty()) {
    shown += transport.flags_negated ? " flags-not(" : " flags(";
    for (const Word& word : transport.flags) shown += std::string(word.text) + ",";
    shown.back() = ')';
  }
  return shown;
}

std::string Show(const DecisionSyntax& decision) {
  static constexpr const char* kNotifies[] = {"", " notify", " notify-admin", " notify-port",
                                              " notify-reset"};
  static constexpr const char* kScopes[] = {"", " connection", " peer", " source"};
  std::string ask;
  if (decision.ask) {
    ask = "ask(" + std::string(decision.ask->decider.text) + "," +
          std::string(decision.ask->within.text) + ") ";
  }
  return ask + std::string(decision.accept ? "accept" : "reject") +
         kNotifies[static_cast<int>(decision.notify)] + (decision.log ? " log" : "") +
         kScopes[static_cast<int>(decision.scope)] +
         (decision.lifetime ? "(" + std::string(decision.lifetime->text) + ")" : "");
}

std::string Show(const ConditionSyntax& condition) {
  std::string shown;
  if (!condition.states.empty()) {
    shown += condition.state_negated ? " state-not(" : " state(";
    for (const Word& word : condition.states) shown += std::string(word.text) + ",";
    shown.back() = ')';
  }
  if (condition.match) shown += " match(" + std::string(condition.match->text) + ")";
  return shown;
}

std::string Show(const PairSyntax& pair) {
  return (pair.name.text.empty() ? "" : "\"" + std::string(pair.name.text) + "\" ") +
         (pair.between ? "between " : "from ") + Show(pair.first.group) + Show(pair.first.address) +
         Show(pair.first.transport) + ", " + Show(pair.second.group) + Show(pair.second.address) +
         Show(pair.second.transport) + Show(pair.condition) + ": " + Show(pair.decision);
}

std::string Show(const Syntax& syntax) {
  std::string shown;
  for (const PairSyntax& pair : syntax.pairs) shown += Show(pair) + "\n";
  for (const MaskSyntax& mask : syntax.masks) {
    shown += "mask " + std::string(mask.network.text) + " " + std::string(mask.mask.text) + "\n";
  }
  for (const SetSyntax& set : syntax.sets) {
    shown += "set " + std::string(set.name.text) + " ";
    shown += set.from_file ? "file " + std::string(set.file.text) : Show({false, set.items});
    shown += "\n";
  }
  for (const DeciderSyntax& decider : syntax.deciders) {
    shown += "decider " + std::string(decider.name.text);
    for (const Word& address : decider.addresses) shown += " " + std::string(address.text);
    shown += "\n";
  }
  return shown + "default " + Show(syntax.fallback);
}

TEST(ParserTest, ReadsEveryConstruct) {
  const struct {
    std::string_view text;
    std::string_view tree;
  } cases[] = {
      {"", "default reject"},
      {" # nothing\n;;", "default reject"},
      {"default accept;", "default accept"},
      {"default accept; default reject log;", "default reject log"},
      {"default accept notify;", "default accept notify"},
      {"for 128.1.0.0 netmask is 255.255.255.0;", "mask 128.1.0.0 255.255.255.0\ndefault reject"},
      {"for campus netmask is Campus-Mask;", "mask campus Campus-Mask\ndefault reject"},
      {"from any to any accept;", "from any, any: accept\ndefault reject"},
      {"between any and any reject;", "between any, any: reject\ndefault reject"},
      {"from host a to host-not b accept log;",
       "from host(a), host-not(b): accept log\ndefault reject"},
      {"from host any to host-not any accept;",
       "from host(any), host-not(any): accept\ndefault reject"},
      {"from net 10.0.0.0 to net-not n reject notify log;",
       "from net(10.0.0.0), net-not(n): reject notify log\ndefault reject"},
      {"from subnet s to subnet-not t reject log notify;",
       "from subnet(s), subnet-not(t): reject notify log\ndefault reject"},
      {"from 10.0.0.1 to 10.0.0.0/8 accept;",
       "from bare(10.0.0.1), bare(10.0.0.0/8): accept\ndefault reject"},
      {"from ::1 to fe80::/10 accept;", "from bare(::1), bare(fe80::/10): accept\ndefault reject"},
      {"from any to any tcp port 25 accept;", "from any, any tcp(25): accept\ndefault reject"},
      {"from tcp port-not 25 to udp port domain accept;",
       "from any tcp-not(25), any udp(domain): accept\ndefault reject"},
      {"from any udp port-not reserved to any tcp port xserver accept;",
       "from any udp-not(reserved), any tcp(xserver): accept\ndefault reject"},
      {"from icmp type any to host a icmp type-not infotype accept;",
       "from any icmp(any), host(a) icmp-not(infotype): accept\ndefault reject"},
      {"from proto tcp to proto-not any accept;",
       "from any proto(tcp), any proto-not(any): accept\ndefault reject"},
      {"from proto icmp to proto udp accept;",
       "from any proto(icmp), any proto(udp): accept\ndefault reject"},
      // The other spelling of -not.
      {"from host not a to net -not b tcp port not 1 accept;",
       "from host-not(a), net-not(b) tcp-not(1): accept\ndefault reject"},
      // Names like keywords, in capitals; other words have no meaning of their own.
      {"from host TO to host reserved accept;",
       "from host(TO), host(reserved): accept\ndefault reject"},
      {"from any\nto/**/any accept;#\n", "from any, any: accept\ndefault reject"},
      {"from host set to host rule accept; from host group to net flags reject;",
       "from host(set), host(rule): accept\nfrom host(group), net(flags): reject\n"
       "default reject"},
      // Lists, ranges and sets.
      {"from {10.0.0.1, ::/0, host a, net n, @s} to any tcp port {25, smtp, 80-90} accept;",
       "from bare(10.0.0.1)|bare(::/0)|host(a)|net(n)|bare(@s), any tcp(25,smtp,80-90): accept\n"
       "default reject"},
      {"from host-not {a,b,} to net not {n} udp port-not {1,} accept;",
       "from host-not(a)|host-not(b), net-not(n) udp-not(1): accept\ndefault reject"},
      {"from @s to not @s icmp type {echo, 3} accept;",
       "from bare(@s), bare-not(@s) icmp(echo,3): accept\ndefault reject"},
      {"from not 10.0.0.1 to not {::1} proto-not {tcp, 47} accept;",
       "from bare-not(10.0.0.1), bare-not(::1) proto-not(tcp,47): accept\ndefault reject"},
      {"set s = {10.0.0.0/8, host a}; set t={}; set u from \"/a b\";",
       "set s bare(10.0.0.0/8)|host(a)\nset t any\nset u file /a b\ndefault reject"},
      // Groups, flags, kinds of notice, names.
      {"from group inside to group-not {outside, guests} 10.0.0.0/8 accept;",
       "from group(inside) any, group-not(outside,guests) bare(10.0.0.0/8): accept\n"
       "default reject"},
      {"from tcp flags syn/syn,ack to any tcp port 25 flags not ack, rst accept;",
       "from any tcp flags(syn/syn,ack), any tcp(25) flags-not(ack,rst): accept\ndefault reject"},
      {"rule \"mail, in\" between any and any reject notify tcp-reset log;"
       "default reject log notify admin-prohibited;",
       "\"mail, in\" between any, any: reject notify-reset log\n"
       "default reject notify-admin log"},
      {"from any to any reject notify host-unreachable;"
       "from any to any accept notify port-unreachable;",
       "from any, any: reject notify\nfrom any, any: accept notify-port\ndefault reject"},
      // Conditions.
      {"from any to any state new accept; from any to any tcp port 1 state-not {new,invalid} "
       "reject;",
       "from any, any state(new): accept\nfrom any, any tcp(1) state-not(new,invalid): reject\n"
       "default reject"},
      {"between any and tcp flags syn match \"ip[8] < 5\" state not new accept;",
       "between any, any tcp flags(syn) state-not(new) match(ip[8] < 5): accept\ndefault reject"},
      {"from host state to host match state new accept;",
       "from host(state), host(match) state(new): accept\ndefault reject"},
      // Scopes.
      {"default accept for connection; from any to any accept for connection for 1h log;",
       "from any, any: accept log connection(1h)\ndefault accept connection"},
      {"from any to any reject notify for 60s; from any to any reject\n  from source log;",
       "from any, any: reject notify peer(60s)\nfrom any, any: reject log source\n"
       "default reject"},
      {"default reject from source\n for 5m notify tcp-reset;",
       "default reject notify-reset source(5m)"},
      // Deciders.
      {"decider \"av\" at \"10.0.0.1:1\", \"unix:/a b\"; default ask \"av\" within 20ms else "
       "accept;",
       "decider av 10.0.0.1:1 unix:/a b\ndefault ask(av,20ms) accept"},
      {"from any to any state new ask \"b\" within 1s else reject notify for connection log;",
       "from any, any state(new): ask(b,1s) reject notify log connection\ndefault reject"},
  };
  for (const auto& [text, tree] : cases) {
    Problems problems;
    const Syntax syntax = Parse(text, problems);
    EXPECT_TRUE(problems.empty()) << text;
    EXPECT_EQ(Show(syntax), tree) << text;
  }
}

TEST(ParserTest, KeepsPlaces) {
  Problems problems;
  const Syntax syntax = Parse("\n  from host a to\n any tcp port 1 accept;", problems);
  ASSERT_EQ(syntax.pairs.size(), 1u);
  EXPECT_EQ(syntax.pairs[0].place, (Place{2, 3, 4}));
  EXPECT_EQ(syntax.pairs[0].first.address.items.at(0).value.place, (Place{2, 13, 1}));
  EXPECT_EQ(syntax.pairs[0].second.transport.values.at(0).place, (Place{3, 15, 1}));
}

TEST(ParserTest, GoesOnBehindWhatIsWrong) {
  Problems problems;
  const Syntax syntax = Parse(
      "from any to any accept\n"         // no `;`
      "form any to any accept;\n"        // misspelt
      "from any to any permit;\n"        // no such decision
      "from any from any to any log;\n"  // a second statement in the first, wrong as well
      "between any and any accept;",
      problems);
  EXPECT_EQ(std::move(problems).Take().size(), 5u);
  EXPECT_EQ(Show(syntax), "from any, any: accept\nbetween any, any: accept\ndefault reject");
}

// `for` and `from` begin statements as well as scopes.
TEST(ParserTest, TellsScopesFromStatements) {
  Problems problems;
  const Syntax syntax = Parse(
      "from any to any acept for 60s;\n"  // skipped as a whole
      "from any to any accept\n"          // no `;`
      "for 128.1.0.0 netmask is 255.255.255.0;\n"
      "from any to any reject\n"  // no `;`
      "from any to any accept;",
      problems);
  EXPECT_EQ(std::move(problems).Take().size(), 3u);
  EXPECT_EQ(Show(syntax),
            "from any, any: accept\nfrom any, any: reject\nfrom any, any: accept\n"
            "mask 128.1.0.0 255.255.255.0\ndefault reject");
}

TEST(ParserTest, BoundsRules) {
  std::string text;
  for (size_t i = 0; i < kMostRules / 2; ++i) text += "between any and any accept;\n";
  Problems problems;
  text += "from any to any accept; from any to any accept;";
  EXPECT_EQ(Parse(text, problems).pairs.size(), kMostRules / 2 + 1);
  const auto found = std::move(problems).Take();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].message, "too many rules: a policy has at most 1000000");
  EXPECT_EQ(found[0].place, (Place{500'001, 24}));
}

}  // namespace
}  // namespace sluice::server::policy
