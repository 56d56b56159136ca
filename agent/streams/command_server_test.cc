#include "agent/streams/command_server.h"

#include <google/protobuf/util/time_util.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
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

  void Command(uint64_t id, std::optional<std::chrono::nanoseconds> time_left = std::nullopt) {
    v1::ServeResponse response;
    response.mutable_command()->set_id(id);
    response.mutable_command()->mutable_get_stats();
    if (time_left) {
      response.mutable_command()->mutable_time_left()->set_nanos(
          static_cast<int32_t>(time_left->count()));
    }
    Say(response);
  }
  void AskForList(uint64_t id, uint32_t credit, std::chrono::milliseconds time_left = kPatience) {
    v1::ServeResponse response;
    response.mutable_command()->set_id(id);
    response.mutable_command()->mutable_list_remembered()->set_credit(credit);
    *response.mutable_command()->mutable_time_left() =
        google::protobuf::util::TimeUtil::MillisecondsToDuration(time_left.count());
    Say(response);
  }
  void Credit(uint64_t id, uint32_t replies) {
    v1::ServeResponse response;
    response.mutable_credit()->set_id(id);
    response.mutable_credit()->set_replies(replies);
    Say(response);
  }
  // Waits for the stream.
  void Say(const v1::ServeResponse& response) {
    ASSERT_TRUE(WaitFor([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stream_ != nullptr; }));
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

// Keeps a command running until Open.
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

void Failed() { ADD_FAILURE() << "it cannot go on"; }

CommandAnswer Done() { return Answer({}); }

// A list of this many replies; each says how many follow.
CommandAnswer ListOf(int replies) {
  return [replies](v1::CommandReply& reply) mutable {
    reply.mutable_forget_remembered()->set_forgotten(static_cast<uint64_t>(--replies));
    return replies == 0;
  };
}

// The ids of the commands in the order of the replies, each with how many replies are still to
// come.
using Replies = std::vector<std::pair<uint64_t, uint64_t>>;
Replies Shown(const std::vector<v1::CommandReply>& replies) {
  Replies shown;
  for (const auto& reply : replies) {
    shown.emplace_back(reply.id(), reply.forget_remembered().forgotten());
    EXPECT_EQ(reply.last(), shown.back().second == 0);
  }
  return shown;
}

TEST(CommandServerTest, AnswersEachCommandWithItsId) {
  FakeServer server;
  CommandServer commands(
      {server.address()}, Hello,
      [](const v1::Command& command) { return command.id() == 8 ? ListOf(2) : Done(); }, Failed);
  commands.Start();
  server.Command(7);
  v1::ServeResponse list;
  list.mutable_command()->set_id(8);
  list.mutable_command()->mutable_list_remembered();  // As an older server does, without credit.
  server.Say(list);
  ASSERT_TRUE(server.WaitForReplies(3));
  EXPECT_EQ(Shown(server.replies()), (Replies{{7, 0}, {8, 1}, {8, 0}}));
}

TEST(CommandServerTest, AListThatIsNotReadDelaysNoOtherCommand) {
  FakeServer server;
  std::atomic<int> made = 0;
  CommandServer commands(
      {server.address()}, Hello,
      [&](const v1::Command& command) {
        if (!command.has_list_remembered()) return Done();
        ++made;
        return ListOf(command.id() == 1 ? 4 : 1);
      },
      Failed);
  commands.Start();
  server.AskForList(1, /*credit=*/2);
  ASSERT_TRUE(server.WaitForReplies(2));
  for (uint64_t id = 2; id < 900; ++id) server.AskForList(id, /*credit=*/2);
  server.Command(1000);
  ASSERT_TRUE(server.WaitForReplies(3));
  EXPECT_EQ(Shown(server.replies()), (Replies{{1, 3}, {1, 2}, {1000, 0}}));
  EXPECT_EQ(made, 1) << "lists wait for their turn";
  server.Credit(2, 100);  // Not the list that is sent.
  server.Credit(1, 1);
  ASSERT_TRUE(server.WaitForReplies(4));
  server.Command(1001);
  ASSERT_TRUE(server.WaitForReplies(5));
  server.Credit(1, 1);
  ASSERT_TRUE(server.WaitForReplies(6 + 898));
  Replies replies = Shown(server.replies());
  replies.resize(7);
  EXPECT_EQ(replies, (Replies{{1, 3}, {1, 2}, {1000, 0}, {1, 1}, {1001, 0}, {1, 0}, {2, 0}}));
}

TEST(CommandServerTest, AListThatNobodyWaitsForAnyMoreIsGivenUp) {
  FakeServer server;
  CommandServer commands(
      {server.address()}, Hello, [](const v1::Command&) { return ListOf(1000); }, Failed);
  commands.Start();
  server.AskForList(1, /*credit=*/1, std::chrono::milliseconds(50));
  server.AskForList(2, /*credit=*/1);
  ASSERT_TRUE(server.WaitForReplies(3));
  const auto replies = server.replies();
  EXPECT_EQ(replies[1].id(), 1u);
  EXPECT_TRUE(replies[1].last());
  EXPECT_EQ(replies[1].error().code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(replies[2].id(), 2u);
}

TEST(CommandServerTest, HeartbeatsGoOnWhileACommandRuns) {
  FakeServer server;
  Gate gate;
  CommandServer commands(
      {server.address()}, Hello,
      [&](const v1::Command&) {
        gate.Pass();
        return Done();
      },
      Failed);
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
  CommandServer commands(
      {server.address()}, Hello,
      [&](const v1::Command& command) {
        if (command.id() == 1) gate.Pass();
        return Done();
      },
      Failed);
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

TEST(CommandServerTest, DoesNothingThatNobodyWaitsForAnyMore) {
  FakeServer server;
  Gate gate;
  std::vector<uint64_t> done;
  {
    CommandServer commands(
        {server.address()}, Hello,
        [&](const v1::Command& command) {
          if (command.id() == 1) gate.Pass();
          done.push_back(command.id());
          return Done();
        },
        Failed);
    commands.Start();
    server.Command(1);
    EXPECT_TRUE(gate.WaitUntilInside());
    server.Command(2, std::chrono::nanoseconds(1));
    server.Command(3);
    server.Command(4);
    // Heartbeats come after the commands on the same stream: by then the agent has them all.
    EXPECT_TRUE(server.WaitForHeartbeats(3));
    gate.Open();
    ASSERT_TRUE(server.WaitForReplies(4));
  }
  const std::vector<v1::CommandReply> replies = server.replies();
  EXPECT_EQ(replies[1].id(), 2u);
  EXPECT_EQ(replies[1].error().code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(done, (std::vector<uint64_t>{1, 3, 4}));
}

TEST(CommandServerTest, LeavesAServerThatSendsMoreThanItReads) {
  FakeServer server;
  Gate gate;
  CommandServer commands(
      {server.address()}, Hello,
      [&](const v1::Command&) {
        gate.Pass();
        return Done();
      },
      Failed);
  commands.Start();
  server.Command(0);
  EXPECT_TRUE(gate.WaitUntilInside());
  for (uint64_t id = 1; id <= 1025; ++id) server.Command(id);
  EXPECT_TRUE(server.WaitForStreams(2));
  gate.Open();
}

TEST(CommandServerTest, KeepsNothingOfACommandThatItDoesNotKnow) {
  FakeServer server;
  Gate gate;
  CommandServer commands(
      {server.address()}, Hello,
      [&](const v1::Command&) {
        gate.Pass();
        return Done();
      },
      Failed);
  commands.Start();
  v1::ServeResponse long_one;
  long_one.mutable_command()->mutable_get_stats();
  auto* const unknown =
      long_one.mutable_command()->GetReflection()->MutableUnknownFields(long_one.mutable_command());
  unknown->AddLengthDelimited(1000, std::string(3 << 20, 'x'));
  for (int i = 0; i < 10; ++i) server.Say(long_one);
  EXPECT_TRUE(gate.WaitUntilInside());
  EXPECT_TRUE(server.WaitForHeartbeats(2)) << "what is unknown is not kept";
  EXPECT_EQ(server.streams(), 1);
  gate.Open();
}

}  // namespace
}  // namespace sluice::agent
