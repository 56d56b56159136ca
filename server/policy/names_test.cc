#include "server/policy/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace sluice::server::policy {
namespace {

using testing::Contains;
using testing::HasSubstr;

SystemNames Patient() { return SystemNames(std::chrono::steady_clock::time_point::max()); }

TEST(SystemNamesTest, KnowsWhatEverySystemHas) {
  SystemNames names = Patient();
  const auto hosts = names.Host("localhost");
  ASSERT_TRUE(hosts.ok()) << hosts.status();
  EXPECT_THAT(*hosts, Contains(Address::IpV4(0x7f000001)));
  EXPECT_EQ(names.Network("loopback").value(), 0x7f000000u);
  EXPECT_EQ(names.Protocol("tcp").value(), 6u);
  EXPECT_EQ(names.Protocol("ipv6-icmp").value(), 58u);
  EXPECT_EQ(names.Service("smtp", "tcp").value(), 25u);
  EXPECT_EQ(names.Service("SMTP", "tcp").value(), 25u);
  EXPECT_EQ(names.Service("domain", "udp").value(), 53u);
}

TEST(SystemNamesTest, SaysWhereItLooked) {
  SystemNames names = Patient();
  EXPECT_THAT(names.Host("two..dots").status().message(), HasSubstr("no host `two..dots`: "));
  EXPECT_EQ(names.Network("no-such-net").status().message(),
            "no network `no-such-net` in /etc/networks");
  EXPECT_EQ(names.Protocol("no-such-protocol").status().message(),
            "no protocol `no-such-protocol` in /etc/protocols");
  EXPECT_EQ(names.Service("smtp", "udp").status().message(),
            "no udp service `smtp` in /etc/services");
}

TEST(SystemNamesTest, ReadsFilesOfSets) {
  SystemNames names = Patient();
  const std::string path = testing::TempDir() + "/set";
  std::ofstream(path) << "10.0.0.0/8\n";
  EXPECT_EQ(names.SetFile(path).value(), "10.0.0.0/8\n");
  EXPECT_EQ(names.SetFile("set").status().message(), "cannot read `set`: write an absolute path");
  EXPECT_EQ(names.SetFile("/no-such-set").status().message(),
            "cannot read `/no-such-set`: No such file or directory");
  EXPECT_EQ(names.SetFile("/dev/zero").status().message(),
            "cannot read `/dev/zero`: it is no regular file");
}

TEST(SystemNamesTest, AsksNothingBehindItsDeadline) {
  SystemNames names(std::chrono::steady_clock::now());
  EXPECT_EQ(names.Host("localhost").status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(names.Network("loopback").status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(names.Protocol("tcp").status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(names.Service("smtp", "tcp").status().code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace sluice::server::policy
