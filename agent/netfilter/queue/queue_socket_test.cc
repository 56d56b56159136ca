// On the real kernel: each test has its own network namespace, where a rule queues what is sent to
// UDP port 9 over loopback.

#include "agent/netfilter/queue/queue_socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "agent/netfilter/queue/packet_timestamps.h"
#include "agent/netfilter/queue/queue_listing.h"

namespace sluice::agent {
namespace {

constexpr uint16_t kQueue = 5;

class Recorder final : public QueueMessages {
 public:
  void OnPacket(const QueuedPacket& packet) override {
    packets.push_back(packet);
    sizes.push_back(packet.payload.size());
  }
  void OnKernelError(uint32_t sequence, int error) override {
    errors.emplace_back(sequence, error);
  }
  void OnUnreadable() override { ++unreadable; }

  std::vector<QueuedPacket> packets;
  std::vector<size_t> sizes;
  std::vector<std::pair<uint32_t, int>> errors;
  int unreadable = 0;
};

class QueueSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "needs root";
    ASSERT_EQ(std::system("ip link set lo up && "
                          "iptables -A OUTPUT -p udp --dport 9 -j NFQUEUE --queue-num 5"),
              0);
    sender_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    receiver_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    address_.sin_family = AF_INET;
    address_.sin_port = htons(9);
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(receiver_, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
  }
  void TearDown() override {
    close(sender_);
    close(receiver_);
  }
  void Send(size_t bytes) {
    const std::string data(bytes, 'x');
    sendto(sender_, data.data(), data.size(), 0, reinterpret_cast<sockaddr*>(&address_),
           sizeof address_);
  }
  // Datagrams that got through.
  int Arrived() {
    int count = 0;
    char data[2048];
    while (recv(receiver_, data, sizeof data, MSG_DONTWAIT) >= 0) ++count;
    return count;
  }
  static std::unique_ptr<QueueSocket> Open(CopyRange range = {}) {
    auto socket = QueueSocket::Open({.queue = kQueue, .receive_buffer = 1 << 20}, range);
    EXPECT_TRUE(socket.ok()) << socket.status();
    return *std::move(socket);
  }
  static void ReceiveAll(QueueSocket& socket, Recorder& recorder) {
    while (socket.Receive(recorder) == QueueSocket::Received::kSome) {
    }
  }

  int sender_ = -1;
  int receiver_ = -1;
  sockaddr_in address_{};
};

TEST_F(QueueSocketTest, HoldsPacketsUntilTheirVerdicts) {
  const PacketTimestamps timestamps;
  const auto socket = Open();
  Send(10);
  Send(20);
  Recorder recorder;
  ReceiveAll(*socket, recorder);
  ASSERT_EQ(recorder.packets.size(), 2u);
  EXPECT_EQ(recorder.packets[0].packet_id, 1u);
  EXPECT_EQ(recorder.packets[0].queue, kQueue);
  EXPECT_EQ(recorder.packets[0].original_length, 38u);
  EXPECT_EQ(recorder.packets[0].hook, 3);
  EXPECT_TRUE(recorder.packets[0].uid) << "sent from this host";
  EXPECT_EQ(Arrived(), 0);
  VerdictBuffer verdicts(kQueue);
  verdicts.Add(1, KernelVerdict::kDrop, std::nullopt);
  verdicts.Add(2, KernelVerdict::kAccept, std::nullopt);
  ASSERT_TRUE(socket->Send(verdicts).ok());
  EXPECT_EQ(Arrived(), 1);
  ReceiveAll(*socket, recorder);
  EXPECT_TRUE(recorder.errors.empty());
  EXPECT_EQ(recorder.unreadable, 0);
}

TEST_F(QueueSocketTest, RefusedVerdictsComeBackWithTheirPacketId) {
  const auto socket = Open();
  VerdictBuffer verdicts(kQueue);
  verdicts.Add(4711, KernelVerdict::kAccept, std::nullopt);
  verdicts.Add(4712, KernelVerdict::kAccept, 7);
  ASSERT_TRUE(socket->Send(verdicts).ok());
  Recorder recorder;
  ReceiveAll(*socket, recorder);
  const std::vector<std::pair<uint32_t, int>> expected{{4711, ENOENT}, {4712, ENOENT}};
  EXPECT_EQ(recorder.errors, expected);
}

TEST_F(QueueSocketTest, CopiesAsMuchAsItIsTold) {
  const auto socket = Open({.meta = false, .bytes = 40});
  Recorder recorder;
  Send(1000);
  ASSERT_TRUE(socket->SetCopyRange({.meta = true, .bytes = 0}).ok());
  Send(1000);
  ASSERT_TRUE(socket->SetCopyRange({.meta = false, .bytes = 65531}).ok());
  Send(1000);
  ReceiveAll(*socket, recorder);
  ASSERT_EQ(recorder.packets.size(), 3u);
  EXPECT_EQ(recorder.sizes, (std::vector<size_t>{40, 0, 1028}));
  EXPECT_EQ(recorder.packets[0].original_length, 1028u);
  EXPECT_FALSE(recorder.packets[1].has_payload);
}

TEST_F(QueueSocketTest, NamesTheOwnerOfATakenQueue) {
  const auto owner = Open();
  const auto second = QueueSocket::Open({.queue = kQueue}, {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  const auto port = FindQueueOwner(kQueue);
  ASSERT_TRUE(port);
  EXPECT_NE(second.status().message().find(std::to_string(*port)), std::string::npos)
      << second.status();
}

TEST_F(QueueSocketTest, SaysThatItNeedsTheCapability) {
  const pid_t child = fork();
  if (child == 0) {
    if (setresuid(65534, 65534, 65534) != 0) _exit(2);
    const auto socket = QueueSocket::Open({.queue = kQueue}, {});
    _exit(socket.status().code() == absl::StatusCode::kPermissionDenied ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(QueueSocketTest, AnOverrunIsToldAndReadingGoesOn) {
  auto socket = QueueSocket::Open({.queue = kQueue, .receive_buffer = 4096}, {});
  ASSERT_TRUE(socket.ok());
  for (int i = 0; i < 200; ++i) Send(100);
  Recorder recorder;
  bool overrun = false;
  for (auto received = QueueSocket::Received::kSome; received != QueueSocket::Received::kDrained;) {
    received = (*socket)->Receive(recorder);
    ASSERT_NE(received, QueueSocket::Received::kFailed);
    overrun |= received == QueueSocket::Received::kOverrun;
  }
  EXPECT_TRUE(overrun);
  const auto listing = ReadQueueListing();
  ASSERT_EQ(listing.size(), 1u);
  EXPECT_EQ(listing[0].id_sequence, 200u);
  EXPECT_EQ(recorder.packets.size() + listing[0].user_dropped, 200u);
  Recorder after;
  Send(100);
  ReceiveAll(**socket, after);
  EXPECT_EQ(after.packets.size(), 1u);
}

}  // namespace
}  // namespace sluice::agent
