#include "server/policy/terms/problems.h"

#include <gtest/gtest.h>

#include <string>

#include "server/policy/checker/fake_names.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

// LINE:COLUMN: MESSAGE for everything wrong with a policy, a line each.
std::string ProblemsOf(std::string_view text) {
  policy::FakeNames names;
  names.PushHost("v6only", {"2001:db8::1"});
  names.PushFile("/secret", "10.0.0.1\nroot:x:0\n");
  const RuleSet::Compiled compiled = RuleSet::Compile(text, names);
  EXPECT_EQ(compiled.rules == nullptr, !compiled.problems.empty());
  std::string shown;
  for (const v1::PolicyProblem& problem : compiled.problems) {
    shown += std::to_string(problem.line()) + ":" + std::to_string(problem.column()) + ": " +
             problem.message() + "\n";
  }
  return shown;
}

TEST(ProblemsTest, SayWhereAndWhatAndWhatInstead) {
  const struct {
    std::string_view policy;
    std::string_view problems;
  } cases[] = {
      // Statements.
      {"form any to any accept;",
       "1:1: expected a statement: `from`, `between`, `rule`, `set`, `decider`, `include`, "
       "`default` or "
       "`for`, found "
       "`form`: did you "
       "mean `from`?\n"},
      {"permit any;",
       "1:1: expected a statement: `from`, `between`, `rule`, `set`, `decider`, `include`, "
       "`default` or "
       "`for`, found "
       "`permit`\n"},
      {"FROM any to any accept;",
       "1:1: expected a statement: `from`, `between`, `rule`, `set`, `decider`, `include`, "
       "`default` or "
       "`for`, found "
       "`FROM`: did you "
       "mean `from`?\n"},
      {"default acept;",
       "1:9: expected `accept`, `reject` or `ask`, found `acept`: did you mean "
       "`accept`?\n"},
      {"default;", "1:8: expected `accept`, `reject` or `ask`, found `;`\n"},
      {"default accept logg;",
       "1:16: expected `log`, `notify`, `for`, `from source` or `;`, found `logg`: did you mean "
       "`log`?\n"},
      {"default reject log log;", "1:20: `log` is said twice\n"},
      {"default accept", "1:15: expected `;` at the end of the statement\n"},
      {"default accept\n\nfrom any to any accept;",
       "1:15: expected `;` at the end of the statement\n"},
      {"default accept\nform any to any accept;",
       "1:15: expected `;` at the end of the statement\n"
       "2:1: expected a statement: `from`, `between`, `rule`, `set`, `decider`, `include`, "
       "`default` or "
       "`for`, found "
       "`form`: did you "
       "mean `from`?\n"},
      {"default accept\nlgo;",
       "2:1: expected `log`, `notify`, `for`, `from source` or `;`, found `lgo`: did you mean "
       "`log`?\n"},
      // Pairs.
      {"from",
       "1:5: expected an address, `any`, `host`, `net`, `subnet`, `group`, `icmp`, `tcp`, `udp` or "
       "`proto`, found the end of the policy\n"},
      {"from mail to any accept;",
       "1:6: expected an address, `any`, `host`, `net`, `subnet`, `group`, `icmp`, `tcp`, `udp` or "
       "`proto`, "
       "found `mail`\n"},
      {"from hots a to any accept;",
       "1:6: expected an address, `any`, `host`, `net`, `subnet`, `group`, `icmp`, `tcp`, `udp` or "
       "`proto`, "
       "found `hots`: did you mean `host`?\n"},
      {"from any and any accept;",
       "1:10: expected `icmp`, `tcp`, `udp`, `proto` or `to`, found `and`\n"},
      {"between any to any accept;",
       "1:13: expected `icmp`, `tcp`, `udp`, `proto` or `and`, found `to`\n"},
      {"from any tpc port 1 to any accept;",
       "1:10: expected `icmp`, `tcp`, `udp`, `proto` or `to`, found `tpc`: did you mean `tcp`?\n"},
      {"from tcp port 1 too any accept;", "1:17: expected `to`, found `too`: did you mean `to`?\n"},
      {"from any to any;",
       "1:16: expected `icmp`, `tcp`, `udp`, `proto`, `state`, `match`, `accept`, `reject` or "
       "`ask`, found `;`\n"},
      {"from any to any tcp 80 accept;",
       "1:21: expected `port`, `port-not`, `flags` or `flags-not`, found `80`\n"},
      {"from any to any tcp prot 80 accept;",
       "1:21: expected `port`, `port-not`, `flags` or `flags-not`, found `prot`: did you mean "
       "`port`?\n"},
      {"from any to any icmp echo accept;", "1:22: expected `type` or `type-not`, found `echo`\n"},
      {"from host to any accept;",
       "1:11: expected an address, a host name or `any`, found the keyword `to`: write a name like "
       "it in capitals\n"},
      {"from host ; to any accept;",
       "1:11: expected an address, a host name or `any`, found `;`\n"
       "1:13: expected a statement: `from`, `between`, `rule`, `set`, `decider`, `include`, "
       "`default` or "
       "`for`, found `to`\n"},
      {"from any to any accept, log;",
       "1:23: expected `log`, `notify`, `for`, `from source` or `;`, found `,`\n"},
      // Addresses.
      {"from host 10.0.0.256 to any accept;",
       "1:11: `10.0.0.256` is not an address: `256` is too large: at most 255\n"},
      {"from host 10.0.0.0/8 to any accept;",
       "1:11: `10.0.0.0/8` is a network: write `net` for `host`\n"},
      {"from host nowhere to any accept;", "1:11: no host `nowhere`\n"},
      {"from 3com.example to any accept;",
       "1:6: `3com.example` is not an address: write `host` before the name of a host\n"},
      {"from 10.0.0.1/8 to any accept;",
       "1:6: `10.0.0.1/8` has bits set behind the prefix: did you mean `10.0.0.0/8`?\n"},
      {"from net 36 to any accept;",
       "1:10: `36` is not an address: IPv4 addresses have four parts, not 1\n"},
      {"from net 10.1.0.0 to any accept;",
       "1:10: `10.1.0.0` is not the number of a network: it is part of 10.0.0.0; write "
       "ADDRESS/LENGTH for a part\n"},
      {"from net 224.0.0.0 to any accept;",
       "1:10: `224.0.0.0` is in no network of class A, B or C: write ADDRESS/LENGTH\n"},
      {"from net 2001:db8:: to any accept;",
       "1:10: `2001:db8::` is an IPv6 address: a network needs its prefix length\n"},
      {"from net nowhere to any accept;", "1:10: no network `nowhere`\n"},
      // Subnets and masks.
      {"from subnet 128.1.7.0 to any accept;",
       "1:13: no mask is declared for 128.1.0.0, the network of `128.1.7.0`: write `for 128.1.0.0 "
       "netmask is MASK;`\n"},
      {"for 128.1.0.0 netmask is 255.255.255.0;\nfrom subnet 128.1.7.1 to any accept;",
       "2:13: `128.1.7.1` has bits set beside the mask 255.255.255.0: did you mean `128.1.7.0`?\n"},
      {"from subnet 10.0.0.0/8 to any accept;",
       "1:13: `10.0.0.0/8` has a prefix length: write `net` for `subnet`\n"},
      {"from subnet ::1 to any accept;",
       "1:13: `::1` is an IPv6 address: `subnet` is for IPv4; write `net ADDRESS/LENGTH`\n"},
      {"for 128.1.0.0 netmask is 255.0.0.0;",
       "1:26: mask 255.0.0.0 leaves out bits of the network: 128.1.0.0 has at least 255.255.0.0\n"},
      {"for 128.1.0.0 netmask is 255.255.255.0; for 128.1.0.0 netmask is 255.255.0.0;",
       "1:45: 128.1.0.0 has another mask already: 255.255.255.0\n"},
      {"for 128.1.7.0 netmask is 255.255.255.0;",
       "1:5: `128.1.7.0` is not the number of a network: it is part of 128.1.0.0; write "
       "ADDRESS/LENGTH for a part\n"},
      {"for 10.0.0.0 netmask is /16;",
       "1:25: `/16` is not a mask: write it as 255.255.255.0 or 0xffffff00\n"},
      {"for 10.0.0.0 netmask is v6only;", "1:25: `v6only` has no IPv4 address to be a mask\n"},
      // Lists, sets, groups, flags, names.
      {"from {} to any accept;", "1:7: expected an address, a prefix or a set, found `}`\n"},
      {"from {10.0.0.1 10.0.0.2} to any accept;", "1:16: expected `,` or `}`, found `10.0.0.2`\n"},
      {"from not to any accept;",
       "1:10: expected an address, a prefix or a set, found the keyword `to`: write a name like it "
       "in capitals\n"},
      {"from {10.0.0.1, any} to any accept;", "1:17: `any` among others: it stands alone\n"},
      {"from any to any tcp port {25, any} accept;", "1:31: `any` among others: it stands alone\n"},
      {"from any to any tcp port 90-80 accept;",
       "1:26: `90-80` is a range without ports: did you mean `80-90`?\n"},
      {"from any to any tcp port 80-65536 accept;", "1:26: `65536` is too large: at most 65535\n"},
      {"from any to any tcp flags sym/syn,ack accept;",
       "1:27: no TCP flag `sym`: did you mean `syn`?\n"},
      {"from any to any tcp flags syn/ack accept;",
       "1:27: TCP flags are written SET/CHECKED, as in `syn/syn,ack`; a flag before the `/` must "
       "also stand after it\n"},
      {"from any to any tcp flags syn/syn,ack/rst accept;", "1:35: a second `/` in TCP flags\n"},
      {"from group any to any accept;", "1:12: `any` is no group: leave `group` out\n"},
      {"set blocked = {10.0.0.0/8}; from @blokced to any accept;",
       "1:34: no set `blokced`: did you mean `@blocked`?\n"},
      {"from @x to any accept;", "1:6: no set `x`: write `set NAME = { … };`\n"},
      {"set a = {::1}; set a = {::2};", "1:20: there is a set `a` already\n"},
      {"set @a = {::1};", "1:5: `@a` is no name for a set: write `set NAME`, later `@NAME`\n"},
      {"set a {::1};", "1:7: expected `=` or `from`, found `{`\n"},
      {"set a = {@b};", "1:10: a set is made of addresses, prefixes, hosts and networks\n"},
      {"set a from file;", "1:12: expected the path of a file in quotes, found `file`\n"},
      {"set a from \"/none\";", "1:12: no file `/none`\n"},
      {"set a from \"/secret\";",
       "1:12: line 2 of `/secret`: it has no address, prefix or range, and is no comment (`#` or "
       "`;`)\n"},
      {"rule mail from any to any accept;",
       "1:6: expected the rule's name in quotes, found `mail`\n"},
      {"rule \"mail\" default accept;", "1:13: expected `from` or `between`, found `default`\n"},
      {"from any to any reject notify tcp-rst;",
       "1:31: expected `log`, `notify`, `for`, `from source` or `;`, found `tcp-rst`: did you mean "
       "`tcp-reset`?\n"},
      {"for 10.0.0.0 netmsak is 255.255.0.0;",
       "1:14: expected `netmask`, found `netmsak`: did you mean `netmask`?\n"},
      {"for 10.0.0.0 netmask 255.255.0.0;", "1:22: expected `is`, found `255.255.0.0`\n"},
      // If the statement that was not understood may be the mask, the subnet gets no problem.
      {"for 128.1.0.0 netmask si 255.255.255.0;\nfrom subnet 128.1.7.0 to any accept;",
       "1:23: expected `is`, found `si`: did you mean `is`?\n"},
      // Ports, protocols, types.
      {"from any to any tcp port 65536 accept;", "1:26: `65536` is too large: at most 65535\n"},
      {"from any to any tcp port 025 accept;",
       "1:26: `025` begins with 0: numbers are decimal or 0x…, never octal\n"},
      {"from any to any tcp port nosuch accept;", "1:26: no service `nosuch/tcp`\n"},
      {"from any to any udp port nosuch accept;", "1:26: no service `nosuch/udp`\n"},
      {"from any to any proto 256 accept;", "1:23: `256` is too large: at most 255\n"},
      {"from any to any proto nosuch accept;", "1:23: no protocol `nosuch`\n"},
      {"from any to any icmp type 256 accept;", "1:27: `256` is too large: at most 255\n"},
      {"from any to any icmp type ekho accept;",
       "1:27: no ICMP type `ekho`: did you mean `echo`?\n"},
      {"from any to any icmp type zebra accept;", "1:27: no ICMP type `zebra`: write its number\n"},
      // Conditions.
      {"from any to any state old accept;",
       "1:23: no state `old`: there are `new`, `established`, `related`, `invalid`\n"},
      {"from any to any state {new, estabilshed} accept;",
       "1:29: no state `estabilshed`: did you mean `established`?\n"},
      {"from any to any state {} accept;",
       "1:24: expected `new`, `established`, `related` or `invalid`, found `}`\n"},
      {"from any to any state new state new accept;", "1:27: `state` is said twice\n"},
      {"from any to any stat new accept;",
       "1:17: expected `icmp`, `tcp`, `udp`, `proto`, `state`, `match`, `accept`, `reject` or "
       "`ask`, found `stat`: did you mean `state`?\n"},
      {"from any to any state new tcp port 1 accept;",
       "1:27: expected `state`, `match`, `accept`, `reject` or `ask`, found `tcp`\n"},
      {"from any to any match tcp accept;",
       "1:23: expected an expression of pcap-filter(7) in quotes, found `tcp`\n"},
      {"from any to any match \"tcp\" match \"udp\" accept;", "1:29: `match` is said twice\n"},
      // Scopes.
      {"default accept for conection;",
       "1:20: `conection` is no time from 1s to 24h: write a number with `ms`, `s`, `m` or `h` "
       "behind it\n"},
      {"default accept for 60;",
       "1:20: `60` is no time from 1s to 24h: write a number with `ms`, `s`, `m` or `h` behind "
       "it\n"},
      {"from any to any accept for 25h; default reject for 999ms;",
       "1:28: `25h` is no time from 1s to 24h: write a number with `ms`, `s`, `m` or `h` behind "
       "it\n1:52: `999ms` is no time from 1s to 24h: write a number with `ms`, `s`, `m` or `h` "
       "behind it\n"},
      {"default accept for 99999999999999999999h;",
       "1:20: `99999999999999999999h` is no time from 1s to 24h: write a number with `ms`, `s`, "
       "`m` or `h` behind it\n"},
      {"default accept for 1500ms;", "1:20: `1500ms` is no whole number of seconds\n"},
      {"default accept for connection from source;",
       "1:31: a decision has one scope: `for connection`, `for 60s` or `from source`\n"},
      {"default reject from sourc;",
       "1:21: expected `source`, found `sourc`: did you mean `source`?\n"},
      // Deciders.
      {"default ask \"av\" within 20ms else reject;",
       "1:13: no decider `av`: write `decider NAME at ADDRESS;`, both in quotes\n"},
      {"decider \"antivirus\" at \"av:1\"; default ask \"antvirus\" within 20ms else reject;",
       "1:44: no decider `antvirus`: did you mean `antivirus`?\n"},
      {"decider \"a\" at \"h:1\"; decider \"a\" at \"h:2\";",
       "1:31: there is a decider `a` already\n"},
      {"decider \"\" at \"h:1\";", "1:9: a decider's name has 1 to 64 printable bytes\n"},
      {"decider \"a\" at \"h:1\", \"h:1\";", "1:23: `h:1` is said twice\n"},
      {"decider \"a\" at \"h\";",
       "1:16: `h` is no address of a decider: write IPV4:PORT, [IPV6]:PORT, NAME:PORT or "
       "unix:/PATH\n"},
      {"decider \"a\" to \"h:1\";", "1:13: expected `at`, found `to`\n"},
      {"decider \"a\" at h:1;", "1:16: expected the decider's address in quotes, found `h:1`\n"},
      {"decider \"a\" at \"h:1\"; default ask \"a\" within 61s else reject;",
       "1:46: `61s` is no time from 1ms to 1m: write a number with `ms`, `s`, `m` or `h` behind "
       "it\n"},
      {"decider \"a\" at \"h:1\"; default ask \"a\" within 1s;",
       "1:48: expected `else`, found `;`\n"},
      {"decider \"a\" at \"h:1\"; default ask \"a\" within 1s else ask \"a\" within 1s else "
       "accept;",
       "1:54: expected `accept` or `reject`, found `ask`\n"},
      {"default ask av within 1s else reject;",
       "1:13: expected the name of a decider in quotes, found `av`\n"},
      // If the statement that was not understood may be the decider, whoever asks it gets no
      // problem.
      {"decider \"a\" in \"h:1\"; default ask \"a\" within 1s else reject;",
       "1:13: expected `at`, found `in`\n"},
      // Several problems, in order of place, whoever found them.
      {"from host nowhere to any accept;\nform;\nfrom net 36 to net 37 accept;\n/* open",
       "1:11: no host `nowhere`\n"
       "2:1: expected a statement: `from`, `between`, `rule`, `set`, `decider`, `include`, "
       "`default` or "
       "`for`, found "
       "`form`: did you "
       "mean `from`?\n"
       "3:10: `36` is not an address: IPv4 addresses have four parts, not 1\n"
       "3:20: `37` is not an address: IPv4 addresses have four parts, not 1\n"
       "4:1: this comment has no end: expected `*/`\n"},
  };
  for (const auto& [policy, problems] : cases) {
    EXPECT_EQ(ProblemsOf(policy), problems) << policy;
  }
}

TEST(ProblemsTest, StopAtFifty) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "what;\n";
  policy::FakeNames names;
  const RuleSet::Compiled compiled = RuleSet::Compile(text, names);
  ASSERT_EQ(compiled.problems.size(), 50u);
  EXPECT_EQ(compiled.problems.back().line(), 50u);
  EXPECT_EQ(
      compiled.problems.back().message(),
      "expected a statement: `from`, `between`, `rule`, `set`, `decider`, `include`, `default` or "
      "`for`, found "
      "`what` (50 "
      "problems are shown; there may be more)");
}

TEST(ProblemsTest, TooLargeATextIsRefused) {
  policy::FakeNames names;
  std::string text(RuleSet::kLargestText, '\n');
  EXPECT_NE(RuleSet::Compile(text, names).rules, nullptr);
  text += '\n';
  const RuleSet::Compiled compiled = RuleSet::Compile(text, names);
  EXPECT_EQ(compiled.rules, nullptr);
  ASSERT_EQ(compiled.problems.size(), 1u);
  EXPECT_EQ(compiled.problems[0].message(),
            "the policy has 67108865 bytes; at most 67108864 are taken");
}

}  // namespace
}  // namespace sluice::server
