#include "agent/command_server.h"

#include <poll.h>
#include <time.h>

#include <utility>

namespace sluice::agent {
namespace {

// A server that reads no replies while it sends commands that make so many is no server of ours.
constexpr size_t kMaxReplies = 1024;

int64_t Now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

}  // namespace

CommandServer::CommandServer(std::vector<std::string> servers, Hello hello, Handler handler)
    : hello_(std::move(hello)),
      handler_(std::move(handler)),
      conversation_("commands", std::move(servers), this, &poller_) {}

CommandServer::~CommandServer() { Stop(); }

void CommandServer::Start() {
  thread_ = std::thread([this] { Run(); });
}

void CommandServer::Stop() {
  stop_.store(true);
  wakeup_.Signal();
  if (thread_.joinable()) thread_.join();
}

void CommandServer::Run() {
  while (!stop_.load()) {
    pollfd fd{wakeup_.fd(), POLLIN, 0};
    poller_.Wait({&fd, 1}, conversation_.NextTimer());
    if (fd.revents != 0) wakeup_.Clear();
    conversation_.Run(Now());
    if (!replies_.empty() && conversation_.Writable()) {
      conversation_.outgoing().mutable_reply()->Swap(&replies_.front());
      replies_.pop_front();
      conversation_.Write();
      // The end of this write is to wake us for the next.
      if (!replies_.empty()) conversation_.Writable();
    }
    conversation_.EndTurn(/*expecting=*/false);
  }
}

void CommandServer::FillHello(v1::ServeRequest& request) { *request.mutable_hello() = hello_(); }

absl::Status CommandServer::OnWelcome(const v1::ServeResponse&) { return absl::OkStatus(); }

absl::Status CommandServer::OnMessage(v1::ServeResponse& response) {
  if (!response.has_command()) return absl::OkStatus();  // from a newer server
  if (replies_.size() >= kMaxReplies) {
    return absl::ResourceExhaustedError("sent commands without reading the replies");
  }
  for (v1::CommandReply& reply : handler_(response.command())) {
    reply.set_id(response.command().id());
    replies_.push_back(std::move(reply));
  }
  replies_.back().set_last(true);
  return absl::OkStatus();
}

void CommandServer::OnLost() { replies_.clear(); }

}  // namespace sluice::agent
