#include "server/edge/ledger.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace sluice::server {
namespace {

constexpr EdgeLimits kLimits = {
    .connections = 5, .connections_a_peer = 3, .held_a_peer = 100, .held = 150};

// Times far enough apart that no peer connects too fast. Any thread may call.
Ledger::Time Later() {
  static std::atomic<int> hours{0};
  return Ledger::Time() + std::chrono::hours(++hours);
}

TEST(LedgerTest, LimitsConnectionsOfAPeerAndInAll) {
  Ledger ledger(kLimits);
  const std::shared_ptr<Ledger::Peer> a = ledger.Enter("a", Later());
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(ledger.Enter("a", Later()), a);
  EXPECT_EQ(ledger.Enter("a", Later()), a);
  EXPECT_EQ(ledger.Enter("a", Later()), nullptr);
  EXPECT_EQ(ledger.connections(), 3u);
  const std::shared_ptr<Ledger::Peer> b = ledger.Enter("b", Later());
  const std::shared_ptr<Ledger::Peer> c = ledger.Enter("c", Later());
  ASSERT_TRUE(b != nullptr && c != nullptr);
  EXPECT_EQ(ledger.Enter("b", Later()), nullptr);
  EXPECT_EQ(ledger.Enter("d", Later()), nullptr);
  EXPECT_EQ(ledger.connections(), 5u);
  a->Leave();
  EXPECT_EQ(ledger.connections(), 4u);
  EXPECT_EQ(ledger.Enter("b", Later()), b);
  EXPECT_EQ(ledger.Enter("a", Later()), nullptr);  // Now there are too many in all.
  c->Leave();
  EXPECT_EQ(ledger.Enter("a", Later()), a);
  for (int i = 0; i < 3; ++i) a->Leave();
  for (int i = 0; i < 2; ++i) b->Leave();
  EXPECT_EQ(ledger.connections(), 0u);
}

TEST(LedgerTest, LimitsWhatIsHeldOfAPeer) {
  Ledger ledger(kLimits);
  const std::shared_ptr<Ledger::Peer> peer = ledger.Enter("a", Later());
  for (const Held kind : {Held::kArrived, Held::kUnread}) {
    EXPECT_TRUE(peer->Hold(kind, 60, 0));
    EXPECT_TRUE(peer->Hold(kind, 39, 0));
    // The last one may go beyond, as far as it needs.
    EXPECT_TRUE(peer->Hold(kind, 31, 0));
    EXPECT_EQ(ledger.held(), 130u);
    EXPECT_FALSE(peer->Hold(kind, 1, 0));
    EXPECT_FALSE(peer->Hold(kind, 1, 30));  // Others hold 100.
    EXPECT_TRUE(peer->Hold(kind, 1, 31));   // Others hold 99.
    EXPECT_EQ(ledger.held(), 131u);
    // What was refused is not held against anybody.
    peer->Release(kind, 32);
    EXPECT_TRUE(peer->Hold(kind, 1, 0));
    peer->Release(kind, 100);
    EXPECT_EQ(ledger.held(), 0u);
  }
}

TEST(LedgerTest, CountsWhatArrivedApartFromWhatIsUnread) {
  Ledger ledger(kLimits);
  const std::shared_ptr<Ledger::Peer> peer = ledger.Enter("a", Later());
  EXPECT_TRUE(peer->Hold(Held::kArrived, 100, 0));
  EXPECT_FALSE(peer->Full());
  EXPECT_TRUE(peer->Hold(Held::kUnread, 99, 0));
  EXPECT_FALSE(peer->Full());
  peer->Release(Held::kArrived, 100);
  EXPECT_TRUE(peer->Hold(Held::kUnread, 1, 0));
  EXPECT_TRUE(peer->Full());
  EXPECT_TRUE(peer->Hold(Held::kArrived, 1, 0));
  peer->Release(Held::kUnread, 1);
  EXPECT_FALSE(peer->Full());
  peer->Release(Held::kUnread, 99);
  peer->Release(Held::kArrived, 1);
  EXPECT_EQ(ledger.held(), 0u);
}

TEST(LedgerTest, LimitsWhatIsHeldInAll) {
  Ledger ledger(kLimits);
  const std::shared_ptr<Ledger::Peer> a = ledger.Enter("a", Later());
  const std::shared_ptr<Ledger::Peer> b = ledger.Enter("b", Later());
  EXPECT_TRUE(a->Hold(Held::kArrived, 80, 0));
  EXPECT_TRUE(b->Hold(Held::kUnread, 70, 0));
  EXPECT_FALSE(a->Hold(Held::kUnread, 1, 0));
  EXPECT_FALSE(b->Hold(Held::kUnread, 1, 0));
  EXPECT_TRUE(b->Hold(Held::kUnread, 1, 70));
  EXPECT_EQ(ledger.held(), 151u);
  b->Release(Held::kUnread, 71);
  // What was refused is not held against anybody.
  EXPECT_TRUE(b->Hold(Held::kUnread, 70, 0));
  a->Release(Held::kArrived, 80);
  EXPECT_TRUE(a->Hold(Held::kUnread, 80, 0));
  a->Release(Held::kUnread, 80);
  b->Release(Held::kUnread, 70);
  EXPECT_EQ(ledger.held(), 0u);
}

TEST(LedgerTest, CountsEachCause) {
  Ledger ledger(kLimits);
  const std::shared_ptr<Ledger::Peer> peer = ledger.Enter("a", Later());
  for (size_t i = 0; i < kEdgeCauses; ++i) {
    for (size_t n = 0; n <= i; ++n) peer->Count(static_cast<EdgeCause>(i));
  }
  for (size_t i = 0; i < kEdgeCauses; ++i) {
    EXPECT_EQ(ledger.refused(static_cast<EdgeCause>(i)), i + 1);
  }
  ledger.CountRefused("b");
  EXPECT_EQ(ledger.refused(EdgeCause::kConnections), 2u);
}

// Whoever leaves and comes back is not faster than who stays.
TEST(LedgerTest, LimitsHowFastAPeerConnectsAndCalls) {
  EdgeLimits limits = kLimits;
  limits.connections_a_second = 2;
  limits.calls_a_second = 1;
  limits.calls_at_once = 2;
  Ledger ledger(limits);
  Ledger::Time now = Later();
  const auto connects = [&ledger, &now](const std::string& peer) {
    const std::shared_ptr<Ledger::Peer> entered = ledger.Enter(peer, now);
    if (entered != nullptr) entered->Leave();
    return entered != nullptr;
  };
  int connected = 0;
  for (int i = 0; i < 100; ++i) connected += connects("a") ? 1 : 0;
  EXPECT_LE(connected, 6);  // A bucket of three, which is filled once more when it is first empty.
  EXPECT_TRUE(connects("b"));
  now += std::chrono::seconds(1);
  connected = 0;
  for (int i = 0; i < 100; ++i) connected += connects("a") ? 1 : 0;
  EXPECT_EQ(connected, 2);
  const std::shared_ptr<Ledger::Peer> c = ledger.Enter("c", now);
  int calls = 0;
  for (int i = 0; i < 100; ++i) calls += c->Calls(now) ? 1 : 0;
  EXPECT_LE(calls, 4);
  EXPECT_TRUE(c->Calls(now + std::chrono::seconds(1)));
  EXPECT_FALSE(c->Calls(now + std::chrono::seconds(1)));
}

// Threads enter and leave with the same few peers.
TEST(LedgerTest, EndsEmptyHoweverPeersComeAndGo) {
  Ledger ledger(kLimits);
  std::atomic<int> entered{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&ledger, &entered] {
      for (int i = 0; i < 2000; ++i) {
        const std::shared_ptr<Ledger::Peer> peer = ledger.Enter(i % 3 == 0 ? "a" : "b", Later());
        if (peer == nullptr) continue;
        ++entered;
        if (peer->Hold(Held::kUnread, 40, 0)) peer->Release(Held::kUnread, 40);
        peer->Leave();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(entered, 0);
  EXPECT_EQ(ledger.connections(), 0u);
  EXPECT_EQ(ledger.held(), 0u);
  const std::shared_ptr<Ledger::Peer> peer = ledger.Enter("a", Later());
  ASSERT_NE(peer, nullptr);
  EXPECT_TRUE(peer->Hold(Held::kUnread, 100, 0));
  EXPECT_TRUE(peer->Full());
}

}  // namespace
}  // namespace sluice::server
