#include "server/policy/terms/decider_address.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::server::policy {
namespace {

TEST(DeciderAddressTest, KnowsItsForms) {
  for (const std::string address :
       {"192.0.2.7:9000", "[2001:db8::7]:1", "[fe80::7%eth0]:1", "[fe80::7%22]:1", "decider:65535",
        "a.b-c.example:9000", "3com.example:1", "unix:/run/decider", "unix:/a b"}) {
    EXPECT_TRUE(IsDeciderAddress(address)) << address;
  }
}

TEST(DeciderAddressTest, RefusesWhatCannotBeDialled) {
  for (const std::string address : {"",
                                    ":",
                                    "h",
                                    "h:",
                                    ":1",
                                    "h:0",
                                    "h:65536",
                                    "h:+1",
                                    "h:1 ",
                                    " h:1",
                                    "h h:1",
                                    "192.0.2:1",
                                    "192.0.2.256:1",
                                    "2001:db8::7:1",
                                    "[192.0.2.7]:1",
                                    "[]:1",
                                    "[fe80::7%]:1",
                                    "[fe80::7%a%b]:1",
                                    "[fe80::7%a/b]:1",
                                    "[fe80::7%sixteenletters..]:1",
                                    "[%eth0]:1",
                                    "[::1:1",
                                    "-h:1",
                                    "unix:",
                                    "unix:run",
                                    "unix://\x01",
                                    "dns:///h:1/"}) {
    EXPECT_FALSE(IsDeciderAddress(address)) << address;
  }
  EXPECT_TRUE(IsDeciderAddress("unix:/" + std::string(106, 'a')));
  EXPECT_FALSE(IsDeciderAddress("unix:/" + std::string(107, 'a')));
  EXPECT_FALSE(IsDeciderAddress(std::string(254, 'a') + ":1"));
}

}  // namespace
}  // namespace sluice::server::policy
