#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/streams/command_answer.h"
#include "agent/streams/conversation.h"
#include "agent/streams/stream_poller.h"
#include "agent/streams/wakeup.h"
#include "sluice/v1/command.grpc.pb.h"
#include "sluice/v1/command.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

struct ServeTraits {
  using Request = v1::ServeRequest;
  using Response = v1::ServeResponse;
  static constexpr char kService[] = "sluice.v1.CommandService";
  static constexpr bool kRequired = false;
  static auto Prepare(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext* context,
                      grpc::CompletionQueue* queue) {
    return v1::CommandService::NewStub(channel)->PrepareAsyncServe(context, queue);
  }
};

// The agent's end of the Serve conversation (command.proto): the server's commands come down, the
// replies go up. One thread keeps the conversation. Another runs the commands, one after the other,
// so that heartbeats go on meanwhile: to list everything that is remembered may take a second.
// Lists come after the other commands, one at a time, each only as far as the server has given it
// credit. If a server sends more commands than it reads replies, its stream is ended. A command
// whose time is over before its turn comes does nothing (Command.time_left).
class CommandServer final : private Conversation<ServeTraits>::Listener {
 public:
  // Runs one command. Called on a thread of its own; the answer to a list is called on another, the
  // conversation's.
  using Handler = std::function<CommandAnswer(const v1::Command&)>;
  // What the agent says about itself each time it connects.
  using Hello = std::function<v1::ServeHello()>;

  // `failed` is called once, on the conversation's thread, if that cannot go on
  // (StreamPoller::Wait).
  CommandServer(std::vector<std::string> servers, Hello hello, Handler handler,
                std::function<void()> failed);
  ~CommandServer() override;

  void Start();
  // Ends the stream and joins.
  void Stop();

 private:
  // A command that has come and has not run yet.
  struct Waiting {
    v1::Command command;
    int64_t due_ns;       // When nobody waits for it any more.
    uint64_t stream = 0;  // That it came by.
  };
  // A list that is being sent.
  struct List {
    uint64_t id;
    int64_t due_ns;
    uint64_t credit;  // Replies it may still send.
    CommandAnswer answer;
  };

  void Run();
  void SendReply(int64_t now_ns) ABSL_LOCKS_EXCLUDED(mutex_);
  // The next reply, if there is one to send.
  bool NextReply(int64_t now_ns, v1::CommandReply& reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t ListDue() ABSL_LOCKS_EXCLUDED(mutex_);
  void Work();
  // The next command; absent when it is time to stop.
  std::optional<Waiting> NextCommand() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status TakeCommand(v1::Command& command) ABSL_LOCKS_EXCLUDED(mutex_);
  void TakeCredit(const v1::Credit& credit) ABSL_LOCKS_EXCLUDED(mutex_);
  void FillHello(v1::ServeRequest& request) override;
  absl::Status OnWelcome(const v1::ServeResponse& response) override;
  absl::Status OnMessage(v1::ServeResponse& response) override;
  void OnLost() override;

  const Hello hello_;
  const Handler handler_;
  const std::function<void()> failed_;

  Wakeup wakeup_;
  std::atomic<bool> stop_ = false;

  // Used by the conversation's thread only.
  StreamPoller poller_;
  Conversation<ServeTraits> conversation_;

  Mutex mutex_;
  std::condition_variable commanded_;
  // Counts up when a stream is lost: answers to its commands must not go out on the next.
  uint64_t stream_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Waiting> commands_ ABSL_GUARDED_BY(mutex_);
  std::deque<Waiting> lists_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // Of commands_ and lists_.
  std::deque<v1::CommandReply> replies_ ABSL_GUARDED_BY(mutex_);
  std::optional<List> list_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
  std::thread worker_;
};

}  // namespace sluice::agent
