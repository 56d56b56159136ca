#include "agent/command_server.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

// Longer than anything takes on a busy machine; only a failing test waits as long.
constexpr std::chrono::seconds kPatience{30};

// A server that welcomes agents, echoes their heartbeats and collects their replies.
class FakeServer final : public v1::CommandService::Service {
 public:
  FakeServer() : address_(absl::StrCat("unix-abstract:sluice-command-server-test-", getpid())) {
    server_ = grpc::ServerBuilder()
                  .AddListeningPort(address_, grpc::InsecureServerCredentials())
                  .RegisterService(this)
                  .BuildAndStart();
  }
  ~FakeServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  const std::string& address() const { return address_; }

  // Waits for it.
  void Command(uint64_t id) {
    ASSERT_TRUE(WaitFor([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stream_ != nullptr; }));
    v1::ServeResponse response;
    response.mutable_command()->set_id(id);
    response.mutable_command()->mutable_get_stats();
    MutexLock lock(mutex_);
    ASSERT_NE(stream_, nullptr);
    stream_->Write(response);
  }
  // Ends the stream there is; the agent dials again.
  void EndStream() {
    MutexLock lock(mutex_);
    ASSERT_NE(stream_, nullptr);
    context_->TryCancel();
    stream_ = nullptr;
  }

  bool WaitForHeartbeats(int more) {
    int wanted = 0;
    {
      MutexLock lock(mutex_);
      wanted = heartbeats_ + more;
    }
    return WaitFor([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return heartbeats_ >= wanted; });
  }
  bool WaitForReplies(size_t count) {
    return WaitFor([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return replies_.size() >= count; });
  }
  bool WaitForStreams(int count) {
    return WaitFor([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return streams_ >= count; });
  }
  int streams() {
    MutexLock lock(mutex_);
    return streams_;
  }
  std::vector<v1::CommandReply> replies() {
    MutexLock lock(mutex_);
    return replies_;
  }

 private:
  using Stream = grpc::ServerReaderWriter<v1::ServeResponse, v1::ServeRequest>;

  template <typename Condition>
  bool WaitFor(Condition condition) {
    MutexLock lock(mutex_);
    return lock.WaitFor(changed_, kPatience, condition);
  }

  grpc::Status Serve(grpc::ServerContext* context, Stream* stream) override {
    v1::ServeRequest request;
    while (stream->Read(&request)) {
      MutexLock lock(mutex_);
      v1::ServeResponse response;
      if (request.has_hello()) {
        response.mutable_welcome();
        stream->Write(response);
        context_ = context;
        stream_ = stream;
        ++streams_;
      } else if (request.has_heartbeat()) {
        *response.mutable_heartbeat() = request.heartbeat();
        stream->Write(response);
        ++heartbeats_;
      } else if (request.has_reply()) {
        replies_.push_back(request.reply());
      }
      changed_.notify_all();
    }
    MutexLock lock(mutex_);
    if (stream_ == stream) stream_ = nullptr;
    return grpc::Status::OK;
  }

  const std::string address_;
  Mutex mutex_;
  std::condition_variable changed_;
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;                // Not owned; null: none.
  grpc::ServerContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;  // Its. Not owned.
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
  int heartbeats_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<v1::CommandReply> replies_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

// A command that takes until it is let go.
class Gate final {
 public:
  void Pass() {
    MutexLock lock(mutex_);
    inside_ = true;
    changed_.notify_all();
    lock.Wait(changed_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return open_; });
  }
  bool WaitUntilInside() {
    MutexLock lock(mutex_);
    return lock.WaitFor(changed_, kPatience,
                        [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return inside_; });
  }
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  bool inside_ ABSL_GUARDED_BY(mutex_) = false;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
};

v1::ServeHello Hello() { return {}; }

TEST(CommandServerTest, AnswersEachCommandWithItsId) {
  FakeServer server;
  CommandServer commands({server.address()}, Hello,
                         [](const v1::Command&) { return std::vector<v1::CommandReply>(2); });
  commands.Start();
  server.Command(7);
  server.Command(8);
  ASSERT_TRUE(server.WaitForReplies(4));
  std::vector<std::pair<uint64_t, bool>> answered;
  for (const auto& reply : server.replies()) answered.emplace_back(reply.id(), reply.last());
  EXPECT_EQ(answered,
            (std::vector<std::pair<uint64_t, bool>>{{7, false}, {7, true}, {8, false}, {8, true}}));
}

TEST(CommandServerTest, HeartbeatsGoOnWhileACommandRuns) {
  FakeServer server;
  Gate gate;
  CommandServer commands({server.address()}, Hello, [&](const v1::Command&) {
    gate.Pass();
    return std::vector<v1::CommandReply>(1);
  });
  commands.Start();
  server.Command(1);
  EXPECT_TRUE(gate.WaitUntilInside());
  EXPECT_TRUE(server.WaitForHeartbeats(3));
  gate.Open();
  EXPECT_TRUE(server.WaitForReplies(1));
  EXPECT_EQ(server.streams(), 1);
}

TEST(CommandServerTest, WhatAnswersAStreamThatIsLostIsNotSaidOnTheNext) {
  FakeServer server;
  Gate gate;
  CommandServer commands({server.address()}, Hello, [&](const v1::Command& command) {
    if (command.id() == 1) gate.Pass();
    return std::vector<v1::CommandReply>(1);
  });
  commands.Start();
  server.Command(1);
  EXPECT_TRUE(gate.WaitUntilInside());
  server.EndStream();
  EXPECT_TRUE(server.WaitForStreams(2));
  gate.Open();
  server.Command(2);
  ASSERT_TRUE(server.WaitForReplies(1));
  EXPECT_EQ(server.replies()[0].id(), 2u);
}

TEST(CommandServerTest, LeavesAServerThatSendsMoreThanItReads) {
  FakeServer server;
  Gate gate;
  CommandServer commands({server.address()}, Hello, [&](const v1::Command&) {
    gate.Pass();
    return std::vector<v1::CommandReply>(1);
  });
  commands.Start();
  server.Command(0);
  EXPECT_TRUE(gate.WaitUntilInside());
  for (uint64_t id = 1; id <= 1025; ++id) server.Command(id);
  EXPECT_TRUE(server.WaitForStreams(2));
  gate.Open();
}

}  // namespace
}  // namespace sluice::agent
