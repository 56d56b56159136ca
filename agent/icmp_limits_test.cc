#include "agent/icmp_limits.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::agent {
namespace {

constexpr char kSnmp[] =
    "Ip: Forwarding DefaultTTL\n"
    "Ip: 1 64\n"
    "Icmp: InMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs\n"
    "Icmp: 5 0 30 4 9\n"
    "IcmpMsg: InType3\n"
    "IcmpMsg: 1\n";
constexpr char kSnmp6[] =
    "Icmp6OutErrors                  \t0\n"
    "Icmp6OutRateLimitHost           \t200\n";

TEST(IcmpLimitsTest, AddsUpWhatTheKernelKeptBack) {
  EXPECT_EQ(KeptBackIn(kSnmp, kSnmp6), 234u);
  EXPECT_EQ(KeptBackIn(kSnmp, ""), 34u);
  EXPECT_EQ(KeptBackIn("", kSnmp6), 200u);
}

TEST(IcmpLimitsTest, KernelsThatDoNotCountAreNotTakenForZero) {
  EXPECT_EQ(KeptBackIn("Icmp: InMsgs\nIcmp: 5\n", "Icmp6OutErrors 0\n"), std::nullopt);
  EXPECT_EQ(KeptBackIn("", ""), std::nullopt);
}

TEST(IcmpLimitsTest, AnyTextWillDo) {
  for (size_t length = 0; length < sizeof(kSnmp); ++length) {
    KeptBackIn(std::string(kSnmp).substr(0, length), std::string(kSnmp6).substr(0, length));
  }
  EXPECT_EQ(KeptBackIn("Icmp: OutRateLimitHost\nIcmp: x\n", "Icmp6OutRateLimitHost\n"),
            std::nullopt);
}

TEST(IcmpLimitsTest, CountsFromItsStart) {
  const IcmpLimits limits;
  EXPECT_LT(limits.Read().value_or(0), 1'000'000u);
}

}  // namespace
}  // namespace sluice::agent
