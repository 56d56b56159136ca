#include "agent/netfilter/queue/links.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "agent/netfilter/queue/links_socket.h"

namespace sluice::agent {
namespace {

// Long, because only a failing test waits for it.
constexpr std::chrono::seconds kPatience{20};

void Shell(const std::string& command) { ASSERT_EQ(system(command.c_str()), 0) << command; }

const Link* Find(const LinkMap& links, const std::string& name) {
  for (const auto& [index, link] : links) {
    if (link.name == name) return &link;
  }
  return nullptr;
}

// Each test has a network namespace of its own, with nothing in it but lo.
class LinksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "needs root: " << strerror(errno);
  }

  // Waits for a snapshot that satisfies `wanted`.
  static bool Eventually(const Links& links, const std::function<bool(const LinkMap&)>& wanted) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (true) {
      const uint64_t generation = links.generation();
      if (wanted(*links.Snapshot())) return true;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end - std::chrono::steady_clock::now());
      if (left.count() <= 0 || !links.WaitPast(generation, left)) return false;
    }
  }
};

TEST_F(LinksTest, FirstSnapshotIsComplete) {
  Shell("ip link add gate0 group 7 type veth peer name gate1");
  auto links = Links::Open();
  ASSERT_TRUE(links.ok()) << links.status();
  const auto snapshot = (*links)->Snapshot();
  ASSERT_EQ(snapshot->size(), 3u);
  EXPECT_EQ(snapshot->at(if_nametoindex("lo")), (Link{"lo", ARPHRD_LOOPBACK, 0}));
  EXPECT_EQ(snapshot->at(if_nametoindex("gate0")), (Link{"gate0", ARPHRD_ETHER, 7}));
  EXPECT_EQ(snapshot->at(if_nametoindex("gate1")), (Link{"gate1", ARPHRD_ETHER, 0}));
  EXPECT_EQ((*links)->generation(), 1u);
}

TEST_F(LinksTest, FollowsALinkFromItsMakingToItsEnd) {
  auto opened = Links::Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  const Links& links = **opened;

  Shell("ip link add d0 type bridge");
  ASSERT_TRUE(Eventually(links, [](const LinkMap& map) { return Find(map, "d0") != nullptr; }));
  const uint32_t index = if_nametoindex("d0");
  EXPECT_EQ(links.Snapshot()->at(index), (Link{"d0", ARPHRD_ETHER, 0}));

  Shell("ip link set d0 up && ip link set d0 group 23");
  ASSERT_TRUE(Eventually(links, [&](const LinkMap& map) { return map.at(index).group == 23; }));

  Shell("ip link set d0 down && ip link set d0 name outside");
  ASSERT_TRUE(
      Eventually(links, [&](const LinkMap& map) { return map.at(index).name == "outside"; }));
  EXPECT_EQ(links.Snapshot()->at(index), (Link{"outside", ARPHRD_ETHER, 23}));

  const auto kept = links.Snapshot();
  Shell("ip link del outside");
  ASSERT_TRUE(Eventually(links, [&](const LinkMap& map) { return !map.contains(index); }));
  EXPECT_TRUE(kept->contains(index)) << "a snapshot in use must not change";
}

TEST_F(LinksTest, GroupSetWhileDownIsKnownOnceUp) {
  Shell("ip link add d0 type bridge");
  auto opened = Links::Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  Shell("ip link set d0 group 5 && ip link set d0 up");
  EXPECT_TRUE(Eventually(**opened, [](const LinkMap& map) { return Find(map, "d0")->group == 5; }));
}

TEST_F(LinksTest, LeavingABridgeIsNotTheEndOfALink) {
  auto opened = Links::Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  const Links& links = **opened;
  Shell(
      "ip link add br0 type bridge && ip link add d0 type veth peer name d1 && ip link set d0 "
      "master br0 && "
      "ip link set d0 nomaster && ip link add last type bridge");
  ASSERT_TRUE(Eventually(links, [](const LinkMap& map) { return Find(map, "last") != nullptr; }));
  EXPECT_NE(Find(*links.Snapshot(), "d0"), nullptr);
}

TEST_F(LinksTest, EventsThatChangeNothingOfOursKeepTheGeneration) {
  Shell("ip link add d0 type bridge");
  auto opened = Links::Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  const Links& links = **opened;
  const uint64_t before = links.generation();
  Shell("ip link set d0 up && ip link set d0 mtu 1400");
  Shell("ip link set d0 group 1");
  ASSERT_TRUE(Eventually(
      links, [](const LinkMap& map) { return map.at(if_nametoindex("d0")).group == 1; }));
  EXPECT_EQ(links.generation(), before + 1);
}

TEST_F(LinksTest, WaitPastGivesUp) {
  auto links = Links::Open();
  ASSERT_TRUE(links.ok()) << links.status();
  EXPECT_FALSE((*links)->WaitPast((*links)->generation(), std::chrono::milliseconds(1)));
  EXPECT_TRUE((*links)->WaitPast(0, std::chrono::milliseconds(0)));
}

TEST_F(LinksTest, ReadersSeeWholeSnapshotsWhileLinksChange) {
  auto opened = Links::Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  const Links& links = **opened;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    uint64_t seen = 0;
    while (!done) {
      if (links.generation() == seen) {
        links.WaitPast(seen, std::chrono::milliseconds(10));
        continue;
      }
      seen = links.generation();
      for (const auto& [index, link] : *links.Snapshot()) {
        EXPECT_GT(index, 0u);
        EXPECT_FALSE(link.name.empty());
      }
    }
  });
  Shell("for i in 1 2 3 4 5 6 7 8; do ip link add d$i type bridge; done; ip link del d3");
  EXPECT_TRUE(Eventually(links, [](const LinkMap& map) {
    return Find(map, "d8") != nullptr && Find(map, "d3") == nullptr;
  }));
  done = true;
  reader.join();
}

// The events of 600 new links overflow a socket of the usual size.
TEST_F(LinksTest, LostEventsAreAskedForAgain) {
  auto socket = LinkSocket::Open();
  ASSERT_TRUE(socket.ok()) << socket.status();
  LinkMap links;
  ASSERT_TRUE((*socket)->Dump(links).ok());
  ASSERT_EQ(links.size(), 1u);
  Shell("for i in $(seq 300); do echo link add d$i type veth peer name e$i; done | ip -batch -");
  EXPECT_TRUE(absl::IsDataLoss((*socket)->Follow(links)));
  ASSERT_TRUE((*socket)->Dump(links).ok());
  EXPECT_EQ(links.size(), 601u);
  EXPECT_NE(Find(links, "e300"), nullptr);
  // Following goes on from there.
  Shell("ip link del d300 && ip link set d299 group 9 && ip link set d299 up");
  ASSERT_TRUE((*socket)->Follow(links).ok());
  EXPECT_EQ(links.size(), 599u);
  EXPECT_EQ(Find(links, "d299")->group, 9u);
}

TEST_F(LinksTest, StopEndsAWait) {
  auto socket = LinkSocket::Open();
  ASSERT_TRUE(socket.ok()) << socket.status();
  LinkMap links;
  (*socket)->Stop();
  EXPECT_TRUE(absl::IsCancelled((*socket)->Follow(links)));
  EXPECT_TRUE(absl::IsCancelled((*socket)->Dump(links)));
  EXPECT_TRUE((*socket)->StoppedWithin(kPatience));
}

}  // namespace
}  // namespace sluice::agent
