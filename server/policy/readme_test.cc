// What the language reference shows must be true of the language.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "server/policy/checker/fake_names.h"
#include "server/policy/rule_set.h"

namespace sluice::server {
namespace {

class ReadmeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file("server/policy/README.md");
    ASSERT_TRUE(file.is_open());
    std::ostringstream text;
    text << file.rdbuf();
    readme_ = text.str();
    for (const char* host : {"a", "b", "mail.example.net", "www.example.net"}) {
      names_.PushHost(host, {"192.0.2.1", "2001:db8::1"});
    }
    names_.PushNetwork("campus", 0x80010000);
    names_.PushProtocol("gre", 47);
    names_.PushProtocol("tcp", 6);
    names_.PushFile("/etc/sluice/sets/blocked", "192.0.2.0/24\n");
    names_.PushService("smtp", "tcp", 25);
    names_.PushService("telnet", "tcp", 23);
    names_.PushService("domain", "udp", 53);
  }

  void ExpectLoads(const std::string& policy) {
    v1::PolicyText text;
    text.set_text(policy);
    text.add_files()->set_name("lists/mail");
    for (const v1::PolicyProblem& problem : RuleSet::Compile(text, names_).problems) {
      ADD_FAILURE() << policy << "\n" << problem.ShortDebugString();
    }
  }

  // Calls `visit` with each text in backquotes that begins with `start`.
  template <typename Visit>
  int ForEachExample(const std::string& start, Visit visit) {
    int examples = 0;
    for (size_t at = 0; (at = readme_.find("`" + start, at)) != std::string::npos; ++examples) {
      const size_t end = readme_.find('`', at + 1);
      visit(readme_.substr(at + 1, end - at - 1));
      at = end;
    }
    return examples;
  }

  std::string readme_;
  policy::FakeNames names_;
};

TEST_F(ReadmeTest, TheFirstPolicyLoads) {
  const size_t begin = readme_.find("```\n") + 4;
  ExpectLoads(readme_.substr(begin, readme_.find("```", begin) - begin));
}

TEST_F(ReadmeTest, StatementsLoad) {
  for (const char* start :
       {"decider \"av", "include ", "between any and host a", "from host a to", "between host a",
        "default reject notify;", "for 128.", "rule \"mail", "set office", "set blocked"}) {
    EXPECT_GT(ForEachExample(start,
                             [this](const std::string& text) {
                               if (text.back() == ';') ExpectLoads(text);
                             }),
              0)
        << start;
  }
}

TEST_F(ReadmeTest, DecisionsLoad) {
  int examples = 0;
  for (const char* start : {"reject ", "accept", "ask "}) {
    examples += ForEachExample(start, [this](const std::string& decision) {
      if (decision.back() == ';') {
        ExpectLoads("decider \"av\" at \"192.0.2.7:9000\"; default " + decision);
      }
    });
  }
  EXPECT_GT(examples, 12);
}

TEST_F(ReadmeTest, ConditionsLoad) {
  int examples = 0;
  for (const char* start : {"state ", "state-not ", "match \""}) {
    examples += ForEachExample(start, [this](const std::string& condition) {
      ExpectLoads("from any to any " + condition + " accept;");
    });
  }
  EXPECT_GT(examples, 7);
}

TEST_F(ReadmeTest, ObjectsLoad) {
  const std::string mask = "for 128.1.0.0 netmask is 255.255.255.0; set office = {192.0.2.0/24}; ";
  const auto load = [&](const std::string& object) {
    // An error that the page describes, and words that stand for a name.
    if (object == "net 10.1.0.0" || object.ends_with(" H") || object.ends_with(" P")) return;
    if (object.ends_with("-not s") || object.ends_with(" TO")) return;
    ExpectLoads(mask + "from " + object + " to " + object + " accept;");
  };
  int examples = 0;
  for (const char* start :
       {"host ",      "host-not ",  "net ",           "net-not ",  "subnet ",       "subnet-not ",
        "icmp type ", "tcp port ",  "tcp port-not ",  "udp port ", "udp port-not ", "proto ",
        "proto-not ", "tcp flags ", "tcp flags-not ", "group ",    "group-not ",    "not ",
        "{192",       "{@",         "@office"}) {
    examples += ForEachExample(start, [&](const std::string& object) {
      if (object != "proto ipv6-icmp" && object != "proto icmp") load(object);
    });
  }
  EXPECT_GT(examples, 25);
}

}  // namespace
}  // namespace sluice::server
