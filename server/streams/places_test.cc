#include "server/streams/places.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace sluice::server {
namespace {

TEST(PlacesTest, APeerGetsAQuarterAndOthersTheRest) {
  Places places("observers", 8);
  std::vector<Places::Place> taken;
  const auto take = [&](const std::string& peer) {
    auto place = places.Take(peer);
    if (place.ok()) taken.push_back(*std::move(place));
    return place.status();
  };
  EXPECT_TRUE(take("a").ok());
  EXPECT_TRUE(take("a").ok());
  EXPECT_EQ(take("a").message(),
            "this server has 2 observers from your address already, its share of 8; end one of "
            "them or try again later");
  for (const char* peer : {"b", "b", "c", "c", "d", "d"}) EXPECT_TRUE(take(peer).ok()) << peer;
  const absl::Status full = take("e");
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(full.message(), "this server has 8 observers already; try again later");
  taken.clear();
  EXPECT_TRUE(take("a").ok());
}

TEST(PlacesTest, APlaceIsGivenBackOnce) {
  Places places("tests", 1);
  std::optional<Places::Place> place = *places.Take("a");
  Places::Place moved = *std::move(place);
  place.reset();
  EXPECT_FALSE(places.Take("b").ok());
  moved = Places::Place();
  EXPECT_TRUE(places.Take("b").ok());
}

TEST(PlacesTest, SeveralPlacesAreGivenBackBitByBit) {
  Places bytes("bytes", 400);
  Places::Place place = *bytes.Take("a", 90);
  EXPECT_FALSE(bytes.Take("a", 11).ok());
  EXPECT_TRUE(bytes.Take("b", 100).ok());
  place.GiveBack(50);
  EXPECT_TRUE(bytes.Take("a", 60).ok());
  EXPECT_FALSE(bytes.Take("a", 61).ok());
}

}  // namespace
}  // namespace sluice::server
