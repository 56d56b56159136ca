// On the real kernel: each test is alone in a network namespace of its own, where a rule queues
// what is sent to UDP port 9 over loopback.

#include "agent/loop/queue_loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/netfilter/queue/links.h"
#include "agent/packets/accounted_for.h"
#include "agent/streams/event_sink.h"
#include "sluice/v1/decision.grpc.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {
namespace {

// Longer than anything takes on a busy machine; only a failing test waits as long.
constexpr std::chrono::seconds kPatience{20};
constexpr uint16_t kQueue = 5;
// What the decider below says.
constexpr RememberedKind kDroppedSource{.scope = RememberedScope::kSource, .lifetime_s = 60};

class FakeEvents final : public EventSink {
 public:
  void Post(v1::Event) override {
    {
      MutexLock lock(mutex_);
      ++posted_;
    }
    changed_.notify_all();
  }
  bool WaitFor(int posted) {
    MutexLock lock(mutex_);
    return lock.WaitFor(changed_, kPatience,
                        [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return posted_ >= posted; });
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  int posted_ ABSL_GUARDED_BY(mutex_) = 0;
};

class FakeMemory final : public VerdictMemory {
 public:
  void WantSlot(uint64_t, const RememberedKind&) override {}
  void PolicyIs(const std::string& token, const std::string&) override {
    {
      MutexLock lock(mutex_);
      token_ = token;
    }
    changed_.notify_all();
  }
  bool WaitForPolicy(const std::string& token) {
    MutexLock lock(mutex_);
    return lock.WaitFor(changed_, kPatience,
                        [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return token_ == token; });
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  std::string token_ ABSL_GUARDED_BY(mutex_);
};

// Drops the source of every packet, by policy "1".
class Decider final : public v1::DecisionService::Service {
 public:
  explicit Decider(const std::string& address)
      : server_(grpc::ServerBuilder()
                    .AddListeningPort(address, grpc::InsecureServerCredentials())
                    .RegisterService(this)
                    .BuildAndStart()) {}
  ~Decider() override { server_->Shutdown(std::chrono::system_clock::now()); }

 private:
  grpc::Status Decide(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::DecideResponse, v1::DecideRequest>* stream) override {
    v1::DecideRequest request;
    while (stream->Read(&request)) {
      v1::DecideResponse response;
      if (request.has_hello()) {
        response.mutable_welcome()->set_policy_token("1");
      } else if (request.has_heartbeat()) {
        *response.mutable_heartbeat() = request.heartbeat();
      } else {
        response.mutable_verdicts()->set_received_batch(request.packets().batch());
        for (const v1::Packet& packet : request.packets().packets()) {
          v1::Verdict& verdict = *response.mutable_verdicts()->add_verdicts();
          verdict.set_transaction_id(packet.transaction_id());
          verdict.set_action(v1::ACTION_DROP);
          verdict.set_scope(v1::SCOPE_SOURCE);
        }
      }
      stream->Write(response);
    }
    return grpc::Status::OK;
  }

  const std::unique_ptr<grpc::Server> server_;
};

class QueueLoopTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "needs root";
    ASSERT_EQ(std::system("ip link set lo up && "
                          "iptables -A OUTPUT -p udp --dport 9 -j NFQUEUE --queue-num 5"),
              0);
    sender_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    receiver_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const timeval patience{.tv_sec = kPatience.count(), .tv_usec = 0};
    ASSERT_EQ(setsockopt(receiver_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    address_.sin_family = AF_INET;
    address_.sin_port = htons(9);
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(receiver_, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    auto links = Links::Open();
    ASSERT_TRUE(links.ok()) << links.status();
    links_ = *std::move(links);
  }
  void TearDown() override {
    if (loop_ != nullptr) {
      loop_->Stop();
      const v1::QueueStats stats = loop_->Stats();
      EXPECT_EQ(stats.received(), AccountedFor(stats));
      EXPECT_EQ(stats.pending(), 0u);
      EXPECT_EQ(stats.kernel().waiting(), 0u) << "a packet was left unanswered";
      loop_.reset();
    }
    EXPECT_EQ(failed_, 0);
    close(sender_);
    close(receiver_);
    if (silent_ >= 0) close(silent_);
    std::filesystem::remove_all(folder_);
  }

  // Nobody listens there, if nothing else is said.
  std::string Address() const { return "unix:" + folder_ + "/decider"; }
  QueueLoopOptions Options() const {
    QueueLoopOptions options;
    options.pipeline.queue = kQueue;
    options.socket = {.queue = kQueue, .receive_buffer = 1 << 20};
    options.hello.mutable_agent()->set_gateway("gw");
    options.servers = {Address()};
    return options;
  }
  // With deciders to dial that take the connection and say nothing, so that packets stay pending
  // for as long as a test runs.
  QueueLoopOptions WaitingOptions() {
    QueueLoopOptions options = Options();
    silent_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (folder_ + "/decider").c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(bind(silent_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(silent_, 1000), 0);
    options.servers.assign(100, Address());
    options.pipeline.deadline_ns = int64_t{3600} * 1'000'000'000;
    return options;
  }
  // In mode on.
  void Open(const QueueLoopOptions& options) {
    loop_.reset();
    auto loop = QueueLoop::Open(options, links_.get(), &events_, [this] { ++failed_; });
    ASSERT_TRUE(loop.ok()) << loop.status();
    loop_ = *std::move(loop);
    loop_->EnterMode(v1::MODE_ON);
  }
  void Send(int packets = 1) {
    for (int i = 0; i < packets; ++i) {
      EXPECT_EQ(sendto(sender_, "x", 1, 0, reinterpret_cast<sockaddr*>(&address_), sizeof address_),
                1);
    }
  }
  // Waits for a datagram that gets through.
  bool Arrives() {
    char data[16];
    return recv(receiver_, data, sizeof data, 0) == 1;
  }
  // How many more there are.
  int Arrived() {
    int count = 0;
    char data[16];
    while (recv(receiver_, data, sizeof data, MSG_DONTWAIT) >= 0) ++count;
    return count;
  }
  // Waits until so many were dropped by verdict.
  bool AwaitDropped(uint64_t packets) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
      if (loop_->Stats().dropped() == packets) return true;
    }
    return false;
  }

  // Not in Bazel's folder for temporary files: a socket's path has at most 107 bytes.
  std::string folder_ = "/tmp/sluice-loop-XXXXXX";
  int sender_ = -1;
  int receiver_ = -1;
  int silent_ = -1;
  sockaddr_in address_{};
  std::unique_ptr<Links> links_;
  FakeEvents events_;
  FakeMemory memory_;
  std::atomic<int> failed_ = 0;
  std::unique_ptr<QueueLoop> loop_;
};

TEST_F(QueueLoopTest, WithoutADeciderPacketsGetTheFallback) {
  int posted = 0;
  for (const bool fail_open : {false, true}) {
    QueueLoopOptions options = Options();
    options.pipeline.fail_open = fail_open;
    options.socket.flags.fail_open = fail_open;
    Open(options);
    loop_->Start();
    Send(3);
    ASSERT_TRUE(events_.WaitFor(posted += 3));
    for (int i = 0; fail_open && i < 3; ++i) EXPECT_TRUE(Arrives());
    loop_->Stop();
    EXPECT_EQ(Arrived(), 0);
    const v1::QueueStats stats = loop_->Stats();
    EXPECT_EQ(stats.queue(), kQueue);
    EXPECT_EQ(stats.received(), 3u);
    EXPECT_EQ(stats.no_decider().dropped(), fail_open ? 0u : 3u);
    EXPECT_EQ(stats.no_decider().accepted(), fail_open ? 3u : 0u);
    EXPECT_EQ(stats.pending(), 0u);
    EXPECT_EQ(stats.numbered(), 3u);
    EXPECT_EQ(stats.receive_overrun(), 0u);
    EXPECT_EQ(stats.kernel_queue_full(), 0u);
    EXPECT_FALSE(stats.decider_connected());
    EXPECT_EQ(stats.decider_connects(), 0u);
  }
}

TEST_F(QueueLoopTest, PacketsWaitInTheKernelUntilItIsStarted) {
  Open(Options());
  Send(2);
  loop_->StopRemembering();
  loop_->StartRemembering({.generation = 1, .policy_token = "1", .slots = {}});
  EXPECT_EQ(loop_->unslotted(), 0u);
  v1::QueueStats stats = loop_->Stats();
  EXPECT_EQ(stats.received(), 0u);
  EXPECT_EQ(stats.numbered(), 2u);
  EXPECT_EQ(stats.kernel().waiting(), 2u);
  loop_->Start();
  ASSERT_TRUE(events_.WaitFor(2));
  EXPECT_EQ(loop_->Stats().no_decider().dropped(), 2u);
}

TEST_F(QueueLoopTest, AReadingHasWhatWasQueuedByThen) {
  Open(WaitingOptions());
  loop_->Start();
  for (uint64_t sent = 1; sent <= 50; ++sent) {
    Send();
    const v1::QueueStats stats = loop_->Stats();
    ASSERT_EQ(stats.received(), sent);
    ASSERT_EQ(stats.pending(), sent);
  }
  EXPECT_EQ(loop_->Stats().pending_peak(), 50u);
}

TEST_F(QueueLoopTest, GoingOffLetsGoWhatWasQueuedByThen) {
  Open(WaitingOptions());
  Send(2);
  loop_->EnterMode(v1::MODE_OFF);
  EXPECT_EQ(Arrived(), 2) << "before it is started";
  loop_->EnterMode(v1::MODE_ON);
  loop_->Start();
  Send(3);
  EXPECT_EQ(loop_->Stats().pending(), 3u);
  loop_->EnterMode(v1::MODE_OFF);
  EXPECT_EQ(Arrived(), 3);
  Send();
  EXPECT_TRUE(Arrives()) << "and what comes later";
  const v1::QueueStats stats = loop_->Stats();
  EXPECT_EQ(stats.received(), 6u);
  EXPECT_EQ(stats.mode_off().accepted(), 6u);
}

TEST_F(QueueLoopTest, StopSettlesWhatIsPending) {
  Open(WaitingOptions());
  loop_->Start();
  Send(2);
  EXPECT_EQ(loop_->Stats().pending(), 2u);
  loop_->Stop();
  EXPECT_TRUE(events_.WaitFor(2));
  EXPECT_EQ(Arrived(), 0);
  v1::QueueStats stats = loop_->Stats();
  EXPECT_EQ(stats.pending(), 0u);
  EXPECT_EQ(stats.no_decider().dropped(), 2u);
  EXPECT_EQ(stats.kernel().waiting(), 0u);

  loop_->StopRemembering();
  loop_->StartRemembering({.generation = 1, .policy_token = "1", .slots = {}});
  EXPECT_EQ(loop_->unslotted(), 0u);
  Send();
  loop_->EnterMode(v1::MODE_OFF);
  EXPECT_EQ(Arrived(), 1) << "the queue is bound still";
  EXPECT_EQ(loop_->Stats().mode_off().accepted(), 1u);
  loop_->Stop();
}

TEST_F(QueueLoopTest, StopSettlesWhatTheKernelHasQueued) {
  QueueLoopOptions options = Options();
  options.pipeline.fail_open = true;
  options.socket.flags.fail_open = true;
  Open(options);
  Send(3);  // Before it starts: nothing is read for as long as it does not look.
  loop_->Start();
  loop_->Stop();
  EXPECT_EQ(Arrived(), 3);
  Send(2);  // It is bound still.
  loop_.reset();
  EXPECT_EQ(Arrived(), 2);

  Decider decider(Address());  // Drops what it is asked about.
  Open(options);
  loop_->Start();
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!loop_->Stats().decider_connected() && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  ASSERT_TRUE(loop_->Stats().decider_connected());
  loop_->Stop();
  Send(3);
  loop_.reset();
  EXPECT_EQ(Arrived(), 3);
}

// Has every socket of netfilter in this process be none any more.
void BreakNetfilterSockets() {
  const int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(none, 0);
  int broken = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    int protocol = 0;
    int domain = 0;
    socklen_t size = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_NETLINK)
      continue;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0) continue;
    if (protocol == NETLINK_NETFILTER && dup2(none, fd) == fd) ++broken;
  }
  close(none);
  ASSERT_GT(broken, 0);
}

TEST_F(QueueLoopTest, ASocketThatBreaksEndsTheLoopAndIsReported) {
  Open(WaitingOptions());
  loop_->Start();
  Send(2);
  EXPECT_EQ(loop_->Stats().pending(), 2u);
  BreakNetfilterSockets();
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (failed_ == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(failed_, 1);
  loop_->EnterMode(v1::MODE_OFF);  // Whoever asks something of it still gets an answer.
  EXPECT_EQ(loop_->Stats().pending(), 0u);
  loop_->Stop();
  EXPECT_EQ(failed_.exchange(0), 1) << "once, and as expected";
}

TEST_F(QueueLoopTest, WhatIsAskedOfItWhileItStopsIsDone) {
  Open(WaitingOptions());
  loop_->Start();
  constexpr int kThreads = 4;
  constexpr int kTimes = 500;
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kTimes; ++i) {
        switch ((i + thread) % kThreads) {
          case 0:
            loop_->StopRemembering();
            break;
          case 1:
            loop_->StartRemembering({.generation = 1, .policy_token = "1", .slots = {}});
            break;
          case 2:
            EXPECT_EQ(loop_->unslotted(), 0u);
            break;
          default:
            loop_->EnterMode(v1::MODE_ON);
        }
        ++done;
        done.notify_all();
      }
    });
  }
  // No more than fit into the sender's buffer while they are pending.
  Send(100);
  for (int seen = 0; (seen = done) < kThreads * kTimes / 2;) done.wait(seen);
  EXPECT_EQ(loop_->Stats().received(), 100u);
  loop_->Stop();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, kThreads * kTimes);
}

TEST_F(QueueLoopTest, RemembersWhatItIsToldFromThenOn) {
  const Decider decider(Address());
  QueueLoopOptions options = Options();
  options.pipeline.mark_mask = 0xff000000;
  options.pipeline.memory = &memory_;
  options.pipeline.deadline_ns = int64_t{3600} * 1'000'000'000;
  Open(options);
  loop_->Start();
  ASSERT_TRUE(memory_.WaitForPolicy("1"));

  // What carries a slot goes on to the table, which would drop it; there is none here.
  loop_->StartRemembering({.generation = 1, .policy_token = "1", .slots = {{kDroppedSource, 5}}});
  Send();
  EXPECT_TRUE(Arrives());
  loop_->StopRemembering();
  Send();
  EXPECT_TRUE(AwaitDropped(2));
  EXPECT_EQ(loop_->unslotted(), 0u);
  loop_->StartRemembering({.generation = 2, .policy_token = "1", .slots = {{kDroppedSource, 0}}});
  Send();
  EXPECT_TRUE(AwaitDropped(3));
  EXPECT_EQ(loop_->unslotted(), 1u);
  loop_->StartRemembering({.generation = 3, .policy_token = "2", .slots = {{kDroppedSource, 5}}});
  Send();
  EXPECT_TRUE(AwaitDropped(4)) << "the decider follows another policy";
  const v1::QueueStats stats = loop_->Stats();
  EXPECT_TRUE(stats.decider_connected());
  EXPECT_EQ(stats.decider(), Address());
  EXPECT_EQ(stats.decider_connects(), 1u);
  EXPECT_EQ(Arrived(), 0);
}

TEST_F(QueueLoopTest, ATakenQueueIsRefused) {
  Open(Options());
  const auto second = QueueLoop::Open(Options(), links_.get(), &events_, [] {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists) << second.status();
}

}  // namespace
}  // namespace sluice::agent
