#include "agent/command_server.h"

#include <poll.h>
#include <time.h>

#include <utility>

namespace sluice::agent {
namespace {

// A server that reads no replies while it sends so many commands, or such as make so many, is no
// server of ours.
constexpr size_t kMost = 1024;

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
  worker_ = std::thread([this] { Work(); });
}

void CommandServer::Stop() {
  {
    MutexLock lock(mutex_);
    stop_.store(true);
  }
  commanded_.notify_all();
  wakeup_.Signal();
  if (thread_.joinable()) thread_.join();
  if (worker_.joinable()) worker_.join();
}

void CommandServer::Run() {
  while (!stop_.load()) {
    pollfd fd{wakeup_.fd(), POLLIN, 0};
    poller_.Wait({&fd, 1}, conversation_.NextTimer());
    if (fd.revents != 0) wakeup_.Clear();
    conversation_.Run(Now());
    SendReply();
    conversation_.EndTurn(/*expecting=*/false);
  }
}

void CommandServer::SendReply() {
  MutexLock lock(mutex_);
  if (replies_.empty() || !conversation_.Writable()) return;
  conversation_.outgoing().mutable_reply()->Swap(&replies_.front());
  replies_.pop_front();
  conversation_.Write();
  // The end of this write is to wake us for the next.
  if (!replies_.empty()) conversation_.Writable();
}

void CommandServer::Work() {
  while (const auto next = NextCommand()) {
    const auto& [command, stream] = *next;
    std::vector<v1::CommandReply> replies = handler_(command);
    for (v1::CommandReply& reply : replies) reply.set_id(command.id());
    replies.back().set_last(true);
    {
      MutexLock lock(mutex_);
      if (stream != stream_) continue;
      for (v1::CommandReply& reply : replies) replies_.push_back(std::move(reply));
    }
    wakeup_.Signal();
  }
}

std::optional<std::pair<v1::Command, uint64_t>> CommandServer::NextCommand() {
  MutexLock lock(mutex_);
  lock.Wait(commanded_,
            [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_ || !commands_.empty(); });
  if (stop_) return std::nullopt;
  std::pair<v1::Command, uint64_t> next(std::move(commands_.front()), stream_);
  commands_.pop_front();
  return next;
}

void CommandServer::FillHello(v1::ServeRequest& request) { *request.mutable_hello() = hello_(); }

absl::Status CommandServer::OnWelcome(const v1::ServeResponse&) { return absl::OkStatus(); }

absl::Status CommandServer::OnMessage(v1::ServeResponse& response) {
  if (!response.has_command()) return absl::OkStatus();  // from a newer server
  {
    MutexLock lock(mutex_);
    if (commands_.size() + replies_.size() >= kMost) {
      return absl::ResourceExhaustedError("sent commands without reading the replies");
    }
    commands_.push_back(response.command());
  }
  commanded_.notify_one();
  return absl::OkStatus();
}

void CommandServer::OnLost() {
  MutexLock lock(mutex_);
  ++stream_;
  commands_.clear();
  replies_.clear();
}

}  // namespace sluice::agent
