#include "clients/cli/verbs/observe_filter.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

// Parses as `observe` does.
FilterOptions Parse(std::string line) {
  CLI::App app;
  FilterOptions options;
  AddFilterOptions(app, &options);
  app.parse(line);
  return options;
}

TEST(FilterOptions, AllReachTheFilter) {
  const auto filter =
      BuildFilter(Parse("-g gw1 --gateway gw2,gw3 -4 -p tcp,17 --src 10.0.0.0/8 --dst 192.0.2.1 "
                        "--addr 0.0.0.0/0 --sport 1 --dport 0 --port 65535"));
  ASSERT_TRUE(filter.ok()) << filter.status();
  v1::ObserveFilter expected;
  for (const char* gateway : {"gw1", "gw2", "gw3"}) expected.add_gateways(gateway);
  expected.set_family(v1::FAMILY_IPV4);
  expected.add_protocols(6);
  expected.add_protocols(17);
  expected.mutable_source()->set_address(std::string("\x0a\0\0\0", 4));
  expected.mutable_source()->set_length(8);
  expected.mutable_destination()->set_address(std::string("\xc0\0\x02\x01", 4));
  expected.mutable_destination()->set_length(32);
  expected.mutable_address()->set_address(std::string(4, '\0'));
  expected.set_source_port(1);
  expected.set_destination_port(0);
  expected.set_port(65535);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*filter, expected))
      << filter->DebugString();
}

TEST(FilterOptions, NoneIsAnEmptyFilter) {
  const auto filter = BuildFilter(Parse(""));
  ASSERT_TRUE(filter.ok());
  EXPECT_EQ(filter->ByteSizeLong(), 0u);
}

TEST(FilterOptions, AnAddressDoesNotForceTheFamily) {
  const auto filter = BuildFilter(Parse("--src ::/0"));
  ASSERT_TRUE(filter.ok());
  EXPECT_EQ(filter->family(), v1::FAMILY_UNSPECIFIED);
}

TEST(FilterOptions, WhatCanNeverMatchIsRefused) {
  for (const char* line : {"-4 --src ::1", "-6 --addr 10.0.0.1", "--src ::1 --dst 10.0.0.1"}) {
    EXPECT_EQ(BuildFilter(Parse(line)).status().code(), absl::StatusCode::kInvalidArgument) << line;
  }
  EXPECT_EQ(BuildFilter(Parse("--dst nowhere")).status().message(),
            "--dst: 'nowhere' is not an address: expected one like 192.0.2.1, 10.0.0.0/8 or "
            "2001:db8::/32 (names are not looked up)");
}

TEST(FilterOptions, WrongWordsAreRefused) {
  for (const char* line : {"-4 -6", "-p tpc", "-p 256", "--port 65536", "--port -1", "--port http",
                           "--sport ''", "--colour red"}) {
    EXPECT_THROW(Parse(line), CLI::ParseError) << line;
  }
}

}  // namespace
}  // namespace sluice::cli
