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

#include "agent/conversation.h"
#include "agent/stream_poller.h"
#include "agent/wakeup.h"
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
// replies go up. One thread keeps the conversation, so that its heartbeats go on while on another
// the commands run, one after the other: to list all that is remembered may take a second. A server
// that sends more than it reads replies of has its stream ended.
class CommandServer final : private Conversation<ServeTraits>::Listener {
 public:
  // Runs one command and returns its replies, one or several; `id` and `last` are set by the
  // caller. Called on a thread of its own.
  using Handler = std::function<std::vector<v1::CommandReply>(const v1::Command&)>;
  // What the agent says of itself each time it connects.
  using Hello = std::function<v1::ServeHello()>;

  CommandServer(std::vector<std::string> servers, Hello hello, Handler handler);
  ~CommandServer() override;

  void Start();
  // Ends the stream and joins.
  void Stop();

 private:
  void Run();
  void SendReply() ABSL_LOCKS_EXCLUDED(mutex_);
  void Work();
  // The next command, and of which stream it is; absent when it is time to stop.
  std::optional<std::pair<v1::Command, uint64_t>> NextCommand() ABSL_LOCKS_EXCLUDED(mutex_);
  void FillHello(v1::ServeRequest& request) override;
  absl::Status OnWelcome(const v1::ServeResponse& response) override;
  absl::Status OnMessage(v1::ServeResponse& response) override;
  void OnLost() override;

  const Hello hello_;
  const Handler handler_;

  Wakeup wakeup_;
  std::atomic<bool> stop_ = false;

  // The conversation's thread's own.
  StreamPoller poller_;
  Conversation<ServeTraits> conversation_;

  Mutex mutex_;
  std::condition_variable commanded_;
  // Counts up when a stream is lost: what answers its commands is no answer on the next.
  uint64_t stream_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<v1::Command> commands_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::CommandReply> replies_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
  std::thread worker_;
};

}  // namespace sluice::agent
