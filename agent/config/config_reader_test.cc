#include "agent/config/config_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice::agent {
namespace {

constexpr char kServers[] = "servers: [\"192.0.2.1:7654\"]\n";

// The lines of the error that `text` gives after kServers (so lines count from 2).
std::vector<std::string> Errors(const std::string& text) {
  const auto config = ReadConfig(kServers + text, "f");
  if (config.ok()) return {};
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return absl::StrSplit(std::string(config.status().message()), '\n');
}

std::string Error(const std::string& text) {
  const auto errors = Errors(text);
  EXPECT_LE(errors.size(), 1u) << text;
  return errors.empty() ? "" : errors.front();
}

TEST(ConfigReaderTest, ReadsListsOfMaps) {
  const auto config = ReadConfig(absl::StrCat(kServers,
                                              "groups:\n"
                                              "  - name: inside\n"
                                              "    interfaces: [eth1, \"wg*\"]\n"
                                              "  - {name: outside, interfaces: [eth0]}\n"),
                                 "f");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->groups_size(), 2);
  EXPECT_EQ(config->groups(0).interfaces(1), "wg*");
  EXPECT_EQ(config->groups(1).name(), "outside");
  EXPECT_EQ(config->exempt_size(), 0);
  EXPECT_EQ(Error("groups: inside"),
            "f:2:9: groups: a list is wanted, each item beginning with `- `");
  EXPECT_EQ(Error("groups: [inside]"), "f:2:10: groups[0]: keys must follow, indented, one a line");
  EXPECT_EQ(Error("exempt: [{port: 70000}]"),
            "f:2:17: exempt[0].port: `70000` is not allowed, allowed is a whole number from 0 to "
            "65535");
}

TEST(ConfigReaderTest, FillsPresets) {
  const auto config = ReadConfig(kServers, "f");
  ASSERT_TRUE(config.ok()) << config.status();
  char host[256] = {};
  ASSERT_EQ(gethostname(host, sizeof(host) - 1), 0);
  EXPECT_EQ(config->gateway(), host);
  EXPECT_EQ(config->queues().first(), 0u);
  EXPECT_EQ(config->queues().count(), 1u);
  EXPECT_EQ(config->queues().max_length(), 8192u);
  EXPECT_EQ(config->queues().receive_buffer(), 64u << 20);
  EXPECT_TRUE(config->queues().gso());
  EXPECT_EQ(config->deadline().seconds(), 0);
  EXPECT_EQ(config->deadline().nanos(), 50'000'000);
  EXPECT_EQ(config->max_pending(), 8192u);
  EXPECT_EQ(config->copy_range(), 128u);
  EXPECT_EQ(config->fail_mode(), FAIL_MODE_CLOSED);
  EXPECT_EQ(config->mode_at_start(), MODE_AT_START_OFF);
  EXPECT_EQ(config->on_stop(), ON_STOP_KEEP);
  EXPECT_TRUE(config->hook().manage());
  EXPECT_EQ(config->hook().mark_mask(), 0xff000000u);
  EXPECT_TRUE(config->conntrack().events());
  EXPECT_EQ(config->conntrack().receive_buffer(), 8u << 20);
  EXPECT_EQ(config->conntrack().backlog(), 65536u);
  EXPECT_EQ(config->user(), "sluice");
  EXPECT_EQ(config->log_level(), LOG_LEVEL_INFO);
}

TEST(ConfigReaderTest, ReadsEveryKey) {
  const auto config = ReadConfig(R"(
gateway: gw1
servers:
  - 10.0.2.2:7654
  - "unix:/run/sluice.sock"
queues: {first: 4, count: 2, max_length: 16, receive_buffer: 4KiB, gso: false}
deadline: 1.5s
max_pending: 1
copy_range: 0
fail_mode: open
mode_at_start: on       # unquoted: the word, not YAML 1.1's boolean
on_stop: release
hook:
  manage: true
  mark_mask: 0x00000ff0
conntrack:
  events: false
  receive_buffer: 1048576
  backlog: 7
user: ""
log_level: warning
)",
                                 "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->gateway(), "gw1");
  ASSERT_EQ(config->servers_size(), 2);
  EXPECT_EQ(config->servers(1), "unix:/run/sluice.sock");
  EXPECT_EQ(config->queues().first(), 4u);
  EXPECT_EQ(config->queues().count(), 2u);
  EXPECT_EQ(config->queues().max_length(), 16u);
  EXPECT_EQ(config->queues().receive_buffer(), 4096u);
  EXPECT_FALSE(config->queues().gso());
  EXPECT_EQ(config->deadline().seconds(), 1);
  EXPECT_EQ(config->deadline().nanos(), 500'000'000);
  EXPECT_EQ(config->max_pending(), 1u);
  EXPECT_EQ(config->copy_range(), 0u);
  EXPECT_EQ(config->fail_mode(), FAIL_MODE_OPEN);
  EXPECT_EQ(config->mode_at_start(), MODE_AT_START_ON);
  EXPECT_EQ(config->on_stop(), ON_STOP_RELEASE);
  EXPECT_EQ(config->hook().mark_mask(), 0xff0u);
  EXPECT_FALSE(config->conntrack().events());
  EXPECT_EQ(config->conntrack().receive_buffer(), 1u << 20);
  EXPECT_EQ(config->conntrack().backlog(), 7u);
  EXPECT_EQ(config->user(), "");
  EXPECT_EQ(config->log_level(), LOG_LEVEL_WARNING);
}

TEST(ConfigReaderTest, EmptySectionsKeepPresets) {
  const auto config = ReadConfig(std::string(kServers) + "queues:\n  # count: 4\nhook:\n", "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->queues().count(), 1u);
}

TEST(ConfigReaderTest, SaysWhatWasMeant) {
  EXPECT_EQ(Error("deadlin: 1s\n"), "f:2:1: deadlin: unknown key, did you mean deadline?");
  EXPECT_EQ(Error("queues:\n  cuont: 1\n"),
            "f:3:3: queues.cuont: unknown key, did you mean queues.count?");
  EXPECT_EQ(Error("mark_mask: 1\n"), "f:2:1: mark_mask: unknown key, did you mean hook.mark_mask?");
  EXPECT_EQ(Error("hook: {shape: 1}\n"),
            "f:2:8: hook.shape: unknown key, allowed are manage, mark_mask, "
            "connection_mark_mask, remembered_limit");
}

TEST(ConfigReaderTest, SaysWhatIsAllowed) {
  EXPECT_EQ(Error("queues:\n  count: 65\n"),
            "f:3:10: queues.count: `65` is not allowed, allowed is a whole number from 1 to 64");
  EXPECT_EQ(Error("queues: {receive_buffer: 64MB}"),
            "f:2:26: queues.receive_buffer: `64MB` is not allowed, allowed is a size from 2KiB to "
            "1GiB, in bytes or as in 64MiB");
  EXPECT_EQ(Error("deadline: 50\n"),
            "f:2:11: deadline: `50` is not allowed, allowed is a duration from 1ms to 60s with its "
            "unit, as in 50ms or 1.5s");
  EXPECT_EQ(Error("mode_at_start: shadow\n"),
            "f:2:16: mode_at_start: `shadow` is not allowed, allowed is off or on");
  EXPECT_EQ(Error("mode_at_start: unspecified\n"),
            "f:2:16: mode_at_start: `unspecified` is not allowed, allowed is off or on");
  EXPECT_EQ(Error("hook: {manage: off}\n"),
            "f:2:16: hook.manage: `off` is not allowed, allowed is true or false");
  EXPECT_EQ(Error("max_pending:\n"),
            "f:3:1: max_pending: has no value, allowed is a whole number from 1 to 1048576");
  EXPECT_EQ(Error("copy_range: [1]\n"),
            "f:2:13: copy_range: is a list, allowed is a whole number from 0 to 65531");
  EXPECT_EQ(Error("queues: 4\n"), "f:2:9: queues: keys must follow, indented, one a line");
  EXPECT_EQ(Error("hook: {mark_mask: 0x100000000}\n"),
            "f:2:19: hook.mark_mask: `0x100000000` is not allowed, allowed is a whole number");
}

TEST(ConfigReaderTest, RefusesImpossibleValues) {
  EXPECT_EQ(Error("hook: {mark_mask: 0xff}\n"), "");
  for (const char* mask : {"0", "0xff000000", "0xff", "0x00ff0000"}) {
    EXPECT_EQ(Error(std::string("hook: {connection_mark_mask: ") + mask + "}\n"), "");
  }
  EXPECT_EQ(Error("hook: {connection_mark_mask: 0xff1}\n"),
            "f:2:30: hook.connection_mark_mask: 0xff1 is not allowed, allowed are eight bits that "
            "stand together, as in 0xff000000, or 0 for none");
  EXPECT_EQ(Error("hook: {connection_mark_mask: 0x0ff00000}\n"),
            "f:2:30: hook.connection_mark_mask: 0xff00000 shares some bits with hook.mark_mask, "
            "0xff000000; allowed are the same bits or others");
  EXPECT_NE(Error("hook: {remembered_limit: 15}\n"), "");
  EXPECT_EQ(Error("hook: {mark_mask: 0xf00f}\n"),
            "f:2:19: hook.mark_mask: 0xf00f is not allowed, allowed are eight bits that stand "
            "together, as in 0xff000000");
  EXPECT_EQ(Error("queues: {first: 65535, count: 2}\n"),
            "f:2:31: queues.count: queues 65535 to 65536 are not possible, the last number is "
            "65535");
  EXPECT_EQ(Error("gateway: two words\n").substr(0, 14), "f:2:10: gatewa");
  EXPECT_NE(Error("gateway: ''\n"), "");
  EXPECT_NE(Error("user: \"a\\0b\"\n"), "");
  EXPECT_EQ(Error("mode_at_start: on\nhook: {manage: false}\n"),
            "f:2:16: mode_at_start: `on` is not possible with hook.manage: false, as the rules are "
            "not the agent's; leave it out");
}

TEST(ConfigReaderTest, RefusesImpossibleGroups) {
  EXPECT_EQ(Error("groups:\n  - {name: inside, interfaces: [eth1]}\n  - interfaces: [eth0]\n"),
            "f:4:5: groups[1].name: `` is not allowed, allowed are 1 to 63 letters, digits, `.`, "
            "`_`, `-`");
  EXPECT_EQ(Error("groups:\n  - {name: a, interfaces: [eth1]}\n  - {name: a, interfaces: [b]}\n"),
            "f:4:12: groups[1].name: `a` is there already");
  for (const char* text : {"groups: [{name: a}]", "groups: [{name: a, interfaces: []}]"}) {
    EXPECT_TRUE(absl::StrContains(Error(text), ": groups[0].interfaces: no interface is given"))
        << Error(text);
  }
  EXPECT_TRUE(absl::StartsWith(Error("groups: [{name: a, interfaces: [eth1, \"e*1\"]}]"),
                               "f:2:32: groups[0].interfaces: `e*1` is not allowed, "));
  EXPECT_NE(Error("groups: [{name: two words, interfaces: [eth1]}]"), "");
  EXPECT_NE(Error("groups: [{name: " + std::string(64, 'a') + ", interfaces: [eth1]}]"), "");
  // One problem is reported once.
  EXPECT_EQ(Error("groups: [{name: a, interfaces: eth1}]"),
            "f:2:32: groups[0].interfaces: a list is wanted, as in [\"one\", \"two\"]");
}

TEST(ConfigReaderTest, RefusesImpossibleExemptions) {
  const auto config = ReadConfig(std::string(kServers) +
                                     "exempt:\n"
                                     "  - {source: 192.0.2.0/24, protocol: tcp, port: 22}\n"
                                     "  - destination: \"2001:db8::1\"\n"
                                     "  - protocol: 50\n",
                                 "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->exempt_size(), 3);
  EXPECT_EQ(config->exempt(0).port(), 22u);
  EXPECT_EQ(config->exempt(2).protocol(), "50");
  EXPECT_EQ(Error("exempt:\n  - protocol: tcp\n  - {}\n"),
            "f:4:5: exempt[1]: is empty, which would exempt everything; use mode off");
  EXPECT_EQ(Error("exempt:\n  - source: 192.0.2.1/24\n"),
            "f:3:13: exempt[0].source: `192.0.2.1/24` is not allowed, allowed is an address or a "
            "network with no bits set beyond its length, as in 192.0.2.0/24");
  EXPECT_EQ(Error("exempt: [{port: 22}]"),
            "f:2:17: exempt[0].port: is not possible without protocol: tcp or udp");
  EXPECT_EQ(Error("exempt: [{protocol: tcp}]\nhook: {manage: false}\n"),
            "f:2:9: exempt: is not possible with hook.manage: false, as the rules are not the "
            "agent's");
  std::string many = "exempt:\n";
  for (int i = 0; i < 65; ++i) many += "  - protocol: tcp\n";
  EXPECT_EQ(Error(many), "f:3:3: exempt: 65 are too many, at most 64");
}

TEST(ConfigReaderTest, TakesMappedAddressesOfExemptionsForIpV4) {
  EXPECT_TRUE(ReadConfig(std::string(kServers) +
                             "exempt:\n"
                             "  - {source: \"::ffff:192.0.2.0/120\", destination: 192.0.2.7}\n"
                             "  - {source: 192.0.2.7, destination: \"::ffff:192.0.2.1\"}\n",
                         "f")
                  .ok());
  EXPECT_NE(Error("exempt: [{source: \"::ffff:192.0.2.1\", destination: \"::1\"}]"), "");
  EXPECT_NE(Error("exempt: [{source: \"::ffff:0:0/96\", destination: 192.0.2.1}]"), "");
}

TEST(ConfigReaderTest, NeedsAServer) {
  for (const char* text : {"", "gateway: gw1\n", "servers:\n", "servers: []\n"}) {
    const auto config = ReadConfig(text, "f");
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_TRUE(absl::StrContains(config.status().message(), "servers: no server is given"))
        << config.status();
  }
  EXPECT_EQ(ReadConfig("servers: 192.0.2.1:7654", "f").status().message(),
            "f:1:10: servers: a list is wanted, as in [\"one\", \"two\"]");
  EXPECT_EQ(ReadConfig("servers: [192.0.2.1]", "f").status().message(),
            "f:1:10: servers: `192.0.2.1` is not allowed, allowed are ip:port, [ipv6]:port, "
            "name:port and unix:/path");
}

TEST(ConfigReaderTest, ReportsEveryProblemInOrder) {
  const auto errors =
      Errors("log_level: loud\nqueues:\n  count: 0\n  first: x\nspeed: 9\nspeed: 8\nuser: &u a\n");
  ASSERT_EQ(errors.size(), 7u);
  EXPECT_EQ(errors[0].substr(0, 16), "f:2:12: log_leve");
  EXPECT_EQ(errors[1].substr(0, 16), "f:4:10: queues.c");
  EXPECT_EQ(errors[2].substr(0, 16), "f:5:10: queues.f");
  EXPECT_EQ(errors[3].substr(0, 16), "f:6:1: speed: un");
  EXPECT_EQ(errors[4].substr(0, 16), "f:7:1: speed: gi");
  EXPECT_EQ(errors[6].substr(0, 16), "f:8:7: anchors (");
}

TEST(ConfigReaderTest, BoundsWhatItReports) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "k" + std::to_string(i) + ": 1\n";
  const auto errors = Errors(text);
  ASSERT_EQ(errors.size(), 31u);
  EXPECT_EQ(errors.back(), "f: and 70 more");
}

TEST(ConfigReaderTest, NoConfiguration) {
  for (const char* text : {"hello", "[1, 2]", "\"\"", "- servers"}) {
    EXPECT_FALSE(ReadConfig(text, "f").ok()) << text;
  }
}

TEST(ConfigReaderTest, ReadsTheExample) {
  const auto config = ReadConfigFile("deploy/agent.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  // The example shows every key with its preset.
  const auto presets = ReadConfig("servers: [\"" + config->servers(0) + "\"]", "f");
  ASSERT_TRUE(presets.ok());
  AgentConfig expected = *presets;
  expected.set_gateway(config->gateway());
  EXPECT_EQ(config->DebugString(), expected.DebugString());
}

TEST(ConfigReaderTest, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(ReadConfigFile("no/such/file").status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(ReadConfigFile("no/such/file").status().message(), "no/such/file"));
  EXPECT_FALSE(ReadConfigFile("/").ok());
}

// A good file is broken at random: it is read or refused, each time with a place, and what is read
// is valid.
TEST(ConfigReaderTest, TakesAnyBytes) {
  const std::string good =
      "servers: [\"a:1\", 'b:2']\nqueues: {first: 0x4, count: 2}\ndeadline: 50ms\nhook:\n"
      "  manage: true\n  mark_mask: 0xff000000\nmode_at_start: off\nuser: \"\\x41\"\n";
  const std::string spice = "[]{}:,-?&*!|>'\"%@`# \n\t\\~0x\xc3\xa9\xff<=";
  std::minstd_rand random(1);
  const auto any = [&random](size_t below) { return random() % below; };
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (size_t change = 1 + any(6); change > 0; --change) {
      const size_t at = any(text.size());
      switch (any(4)) {
        case 0:
          text[at] = spice[any(spice.size())];
          break;
        case 1:
          text.insert(at, 1 + any(3), spice[any(spice.size())]);
          break;
        case 2:
          text.erase(at, 1 + any(8));
          break;
        default:
          text.insert(any(text.size()), text.substr(at, any(30)));
      }
      if (text.empty()) text = "x";
    }
    const auto config = ReadConfig(text, "f");
    if (config.ok()) {
      ++read;
      std::string bytes;
      ASSERT_TRUE(config->SerializeToString(&bytes)) << text;
    } else {
      ASSERT_TRUE(absl::StartsWith(config.status().message(), "f:")) << config.status();
    }
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace sluice::agent
