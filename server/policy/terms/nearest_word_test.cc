#include "server/policy/terms/nearest_word.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::server::policy {
namespace {

constexpr std::string_view kKnown[] = {"from", "to", "between", "accept", "reject", "port-not"};

TEST(NearestWordTest, FindsWhatWasMeant) {
  const struct {
    std::string_view given;
    std::string_view meant;
  } cases[] = {
      {"form", "from"},
      {"From", "from"},
      {"too", "to"},
      {"ot", "to"},
      {"betwen", "between"},
      {"acccept", "accept"},
      {"rejcet", "reject"},
      {"ACCEPT", "accept"},
      {"portnot", "port-not"},
      {"from", ""},
      {"x", ""},
      {"deny", ""},
      {"", ""},
      {"elephant", ""},
      {"tt", "to"},
  };
  for (const auto& [given, meant] : cases) {
    EXPECT_EQ(NearestWord(given, kKnown), meant) << given;
  }
}

TEST(NearestWordTest, LongWordsAreNearNone) {
  EXPECT_EQ(NearestWord(std::string(100'000, 'a'), kKnown), "");
  const std::string_view long_word[] = {"abcdefghijklmnopqrstuvwxyzabcdef"};
  EXPECT_EQ(NearestWord("abcdefghijklmnopqrstuvwxyzabcdeg", long_word), long_word[0]);
}

}  // namespace
}  // namespace sluice::server::policy
