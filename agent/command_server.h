#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "agent/conversation.h"
#include "agent/stream_poller.h"
#include "agent/wakeup.h"
#include "sluice/v1/command.grpc.pb.h"
#include "sluice/v1/command.pb.h"

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
// replies go up. Has a thread of its own, on which commands run one after the other; a server that
// sends more than it reads replies of is read no further.
class CommandServer final : private Conversation<ServeTraits>::Listener {
 public:
  // Runs one command and returns its replies, one or several; `id` and `last` are set by the
  // caller.
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
  void FillHello(v1::ServeRequest& request) override;
  absl::Status OnWelcome(const v1::ServeResponse& response) override;
  absl::Status OnMessage(v1::ServeResponse& response) override;
  void OnLost() override;

  const Hello hello_;
  const Handler handler_;

  // The thread's own.
  Wakeup wakeup_;
  StreamPoller poller_;
  Conversation<ServeTraits> conversation_;
  std::deque<v1::CommandReply> replies_;

  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace sluice::agent
