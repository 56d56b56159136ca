#include "server/control/server_usage.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace sluice::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// A line as Linux 6.1 writes it.
constexpr char kAfterName[] =
    " S 1 4242 4242 0 -1 4194560 8131 0 3 0 1502 377 0 0 20 0 14 0 987654 1265344512 6021 "
    "18446744073709551615 1 1 0 0 0 0 0 4096 16386 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0";

TEST(ServerUsageTest, ReadsTheProcessesOwnLine) {
  for (const std::string name : {"sluice-server", "a) S 1 2 (b", ""}) {
    const auto stat = ParseProcessStat("4242 (" + name + ")" + kAfterName);
    ASSERT_TRUE(stat.has_value()) << name;
    EXPECT_EQ(stat->start_ticks, 987654u);
    EXPECT_EQ(stat->resident_pages, 6021u);
  }
}

TEST(ServerUsageTest, OtherLinesAreNone) {
  const std::string line = std::string("4242 (sluice-server)") + kAfterName;
  const size_t resident_end = line.find("6021") + 4;
  EXPECT_TRUE(ParseProcessStat(line.substr(0, resident_end)).has_value());
  for (size_t length = 0; length < resident_end - 4; ++length) {
    EXPECT_FALSE(ParseProcessStat(line.substr(0, length)).has_value()) << length;
  }
  EXPECT_FALSE(ParseProcessStat("(x) a b c d e f g h i j k l m n o p q r s t u v w").has_value());
}

TEST(ServerUsageTest, RunTimeIsWhatIsLeftOfTheTimeSinceBoot) {
  const struct {
    uint64_t start_ticks;
    int64_t ticks_per_second;
    nanoseconds since_boot;
    nanoseconds expected;
  } cases[] = {
      {0, 100, seconds(5), seconds(5)},
      {250, 100, seconds(5), milliseconds(2500)},
      {1, 1024, seconds(1), nanoseconds(1'000'000'000 - 976'562)},
      {501, 100, seconds(5), seconds(0)},
      {100'000'000'000, 100, seconds(1'000'000'060), seconds(60)},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(RunTime(c.start_ticks, c.ticks_per_second, c.since_boot), c.expected)
        << c.start_ticks;
  }
}

// Returns once some CPU time has been used, however fast the machine.
void UseCpu() {
  v1::GetServerResponse response;
  const Registry registry;
  do {
    ASSERT_TRUE(GetServer(
                    registry, [](v1::PeerUsage* peers) { peers->set_connections(3); }, &response)
                    .ok());
  } while (response.cpu_time().seconds() == 0 && response.cpu_time().nanos() == 0);
}

constexpr size_t kMemory = 64 << 20;

TEST(ServerUsageTest, SaysWhatThisProcessCosts) {
  UseCpu();
  v1::GetServerResponse before;
  const Registry registry;
  ASSERT_TRUE(GetServer(
                  registry, [](v1::PeerUsage* peers) { peers->set_connections(3); }, &before)
                  .ok());
  void* const memory = mmap(nullptr, kMemory, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  v1::GetServerResponse after;
  ASSERT_TRUE(GetServer(
                  registry, [](v1::PeerUsage* peers) { peers->set_connections(3); }, &after)
                  .ok());
  munmap(memory, kMemory);
  EXPECT_GT(before.resident_bytes(), 1u << 20);
  EXPECT_GT(after.resident_bytes(), before.resident_bytes() + kMemory * 9 / 10);
  EXPECT_GE(after.running().seconds(), before.running().seconds());
  EXPECT_EQ(after.gateways(), 0u);
  EXPECT_EQ(after.decide_streams(), 0u);
}

TEST(ServerUsageTest, CountsGatewaysAndTheirStreams) {
  Registry registry;
  const Registry::WallTime now(seconds(1'700'000'000));
  v1::DecideHello hello;
  for (const char* gateway : {"gw1", "gw1", "gw2"}) {
    hello.mutable_agent()->set_gateway(gateway);
    ASSERT_TRUE(registry.JoinDecide(hello, "192.0.2.1:1", now).ok());
  }
  class FakeStream final : public CommandStream {
   public:
    void End(const absl::Status&) override {}
    absl::Status Send(v1::Command, std::chrono::steady_clock::time_point, Done&) override {
      return absl::OkStatus();
    }
  } stream;
  v1::ServeHello serve;
  serve.mutable_agent()->set_gateway("gw2");
  ASSERT_TRUE(registry.JoinServe(serve, "192.0.2.1:2", now, &stream).ok());
  v1::GetServerResponse response;
  ASSERT_TRUE(GetServer(
                  registry, [](v1::PeerUsage* peers) { peers->set_connections(3); }, &response)
                  .ok());
  EXPECT_EQ(response.gateways(), 1u);
  EXPECT_EQ(response.decide_streams(), 3u);
}

}  // namespace
}  // namespace sluice::server
