#include "server/policy/terms/icmp_types.h"

#include <gtest/gtest.h>

namespace sluice::server::policy {
namespace {

TEST(FindIcmpTypeTest, KnowsBothFamilies) {
  const struct {
    std::string_view name;
    IcmpType type;
  } cases[] = {
      {"echo", {8, 128}},
      {"echoreply", {0, 129}},
      {"echo-reply", {0, 129}},
      {"ECHO_REPLY", {0, 129}},
      {"unreachable", {3, 1}},
      {"timestamp", {13, IcmpType::kNone}},
      {"timestampreply", {14, IcmpType::kNone}},
      {"inforequest", {15, IcmpType::kNone}},
      {"inforeply", {16, IcmpType::kNone}},
      {"address-mask-request", {17, IcmpType::kNone}},
      {"address-mask-reply", {18, IcmpType::kNone}},
      {"packet-too-big", {IcmpType::kNone, 2}},
  };
  for (const auto& [name, type] : cases) {
    EXPECT_EQ(FindIcmpType(name), type) << name;
  }
  EXPECT_EQ(FindIcmpType("ekho"), std::nullopt);
  EXPECT_EQ(FindIcmpType(""), std::nullopt);
  EXPECT_EQ(NearestIcmpType("echoreplay"), "echoreply");
  EXPECT_EQ(NearestIcmpType("infotypes"), "infotype");
  EXPECT_EQ(NearestIcmpType("zebra"), "");
}

TEST(IsInfoTypeTest, QuestionsAndAnswers) {
  for (int type = 0; type < 256; ++type) {
    const bool ipv4 = type == 0 || type == 8 || type == 13 || type == 14 || type == 15 ||
                      type == 16 || type == 17 || type == 18;
    EXPECT_EQ(IsInfoType(false, type), ipv4) << type;
    EXPECT_EQ(IsInfoType(true, type), type == 128 || type == 129) << type;
  }
}

}  // namespace
}  // namespace sluice::server::policy
