#include "server/calls/peer_key.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

TEST(PeerKeyTest, IsWhatOneHostHas) {
  const struct {
    const char* peer;
    const char* key;
  } cases[] = {
      {"ipv4:192.0.2.1:1234", "ipv4:192.0.2.1"},
      {"ipv6:[2001:db8:1:2:3::4]:1", "ipv6:2001:db8:1:2::/64"},
      {"ipv6:[2001:db8:1:2::9]:77", "ipv6:2001:db8:1:2::/64"},
      {"ipv6:[fe80::1%eth0]:77", "ipv6:fe80::/64"},
      {"ipv6:[nonsense]:77", "ipv6:[nonsense]:77"},
      {"unix:", "unix:"},
  };
  for (const auto& c : cases) EXPECT_EQ(PeerKey(c.peer), c.key);
}

}  // namespace
}  // namespace sluice::server
