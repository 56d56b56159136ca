#include "agent/config/config_rules.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::agent {
namespace {

TEST(IsServerAddressTest, TakesWhatTheAgentDials) {
  for (const char* text : {"192.0.2.1:7654", "decider.example.net:1", "gw_1:65535",
                           "[2001:db8::1]:7654", "[fe80::1%eth0]:7654", "unix:/run/sluice.sock"}) {
    EXPECT_TRUE(IsServerAddress(text)) << text;
  }
}

TEST(IsServerAddressTest, RefusesWhatItWouldMistake) {
  for (const std::string& text :
       {std::string(""), std::string("192.0.2.1"), std::string("192.0.2.1:"),
        std::string("192.0.2.1:0"), std::string("192.0.2.1:65536"), std::string("host:0x10"),
        std::string("host:http"), std::string("2001:db8::1:7654"), std::string("[2001:db8::1]"),
        std::string("[host]:1"), std::string(":7654"), std::string("unix:"), std::string("unix:/"),
        std::string("unix:relative"), std::string("http://host:1"), std::string("dns:///host:1"),
        std::string("two words:1"), "unix:/" + std::string(200, 'a')}) {
    EXPECT_FALSE(IsServerAddress(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::agent
