#include "agent/streams/command_server.h"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/streams/clock.h"
#include "agent/streams/durations.h"

namespace sluice::agent {
namespace {

// The most commands and unread replies, and the most bytes of commands. A server that goes beyond
// them without reading replies is no server of ours.
constexpr size_t kMost = 1024;
constexpr size_t kMostBytes = 4 << 20;

// When a command that comes now will be of no use any more.
int64_t Due(const v1::Command& command) {
  if (!command.has_time_left()) return INT64_MAX;
  return MonotonicNow() + Nanoseconds(command.time_left());
}

v1::CommandReply TooLate(const char* what) {
  v1::CommandReply reply;
  reply.mutable_error()->set_code(static_cast<int32_t>(absl::StatusCode::kDeadlineExceeded));
  reply.mutable_error()->set_message(what);
  return reply;
}

}  // namespace

CommandServer::CommandServer(std::vector<std::string> servers, Hello hello, Handler handler,
                             std::function<void()> failed)
    : hello_(std::move(hello)),
      handler_(std::move(handler)),
      failed_(std::move(failed)),
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
    if (!poller_.Wait({&fd, 1}, std::min(conversation_.NextTimer(), ListDue()))) {
      spdlog::error("commands: poll: {}", std::strerror(errno));
      return failed_();
    }
    if (fd.revents != 0) wakeup_.Clear();
    conversation_.Run(MonotonicNow());
    SendReply(MonotonicNow());
    conversation_.EndTurn(/*expecting=*/false);
  }
}

void CommandServer::SendReply(int64_t now_ns) {
  MutexLock lock(mutex_);
  if (!conversation_.welcomed() || (replies_.empty() && !list_)) return;
  if (!conversation_.Writable()) return;  // The end of the write wakes us.
  v1::CommandReply reply;
  if (!NextReply(now_ns, reply)) return;
  conversation_.outgoing().mutable_reply()->Swap(&reply);
  conversation_.Write();
  // Asks that the end of this write wake us for the next.
  if (!replies_.empty() || list_) conversation_.Writable();
}

bool CommandServer::NextReply(int64_t now_ns, v1::CommandReply& reply) {
  if (!replies_.empty()) {
    reply.Swap(&replies_.front());
    replies_.pop_front();
    return true;
  }
  const bool late = list_->due_ns <= now_ns;
  if (!late && list_->credit == 0) return false;
  if (late) {
    reply = TooLate("the list was read too slowly: nobody waits for it any more");
  } else {
    --list_->credit;
  }
  reply.set_last(late || list_->answer(reply));
  reply.set_id(list_->id);
  if (reply.last()) {
    list_.reset();
    commanded_.notify_one();
  }
  return true;
}

int64_t CommandServer::ListDue() {
  MutexLock lock(mutex_);
  return list_ ? list_->due_ns : INT64_MAX;
}

void CommandServer::Work() {
  while (auto next = NextCommand()) {
    const v1::Command& command = next->command;
    CommandAnswer answer =
        next->due_ns <= MonotonicNow()
            ? Answer(
                  TooLate("the agent was busy until nobody waited for this any more; nothing was "
                          "done"))
            : handler_(command);
    {
      MutexLock lock(mutex_);
      if (next->stream != stream_) continue;
      if (command.has_list_remembered()) {
        const auto& list = command.list_remembered();
        list_ = List{.id = command.id(),
                     .due_ns = next->due_ns,
                     .credit = list.has_credit() ? list.credit() : UINT64_MAX,
                     .answer = std::move(answer)};
      } else {
        v1::CommandReply& reply = replies_.emplace_back();
        answer(reply);
        reply.set_id(command.id());
        reply.set_last(true);
      }
    }
    wakeup_.Signal();
  }
}

std::optional<CommandServer::Waiting> CommandServer::NextCommand() {
  MutexLock lock(mutex_);
  lock.Wait(commanded_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return stop_ || !commands_.empty() || (!lists_.empty() && !list_);
  });
  if (stop_) return std::nullopt;
  std::deque<Waiting>& waiting = commands_.empty() ? lists_ : commands_;
  Waiting next = std::move(waiting.front());
  waiting.pop_front();
  waiting_bytes_ -= next.command.ByteSizeLong();
  next.stream = stream_;
  return next;
}

void CommandServer::FillHello(v1::ServeRequest& request) { *request.mutable_hello() = hello_(); }

absl::Status CommandServer::OnWelcome(const v1::ServeResponse&) { return absl::OkStatus(); }

absl::Status CommandServer::OnMessage(v1::ServeResponse& response) {
  if (response.has_command()) return TakeCommand(*response.mutable_command());
  if (response.has_credit()) TakeCredit(response.credit());
  return absl::OkStatus();  // Anything else is from a newer server.
}

absl::Status CommandServer::TakeCommand(v1::Command& command) {
  command.DiscardUnknownFields();
  {
    MutexLock lock(mutex_);
    const size_t bytes = command.ByteSizeLong();
    if (commands_.size() + lists_.size() + replies_.size() >= kMost ||
        waiting_bytes_ + bytes > kMostBytes) {
      return absl::ResourceExhaustedError("sent commands without reading the replies");
    }
    waiting_bytes_ += bytes;
    auto& waiting = command.has_list_remembered() ? lists_ : commands_;
    const int64_t due_ns = Due(command);
    waiting.push_back({std::move(command), due_ns});
  }
  commanded_.notify_one();
  return absl::OkStatus();
}

void CommandServer::TakeCredit(const v1::Credit& credit) {
  MutexLock lock(mutex_);
  if (!list_ || list_->id != credit.id()) return;
  list_->credit += std::min<uint64_t>(credit.replies(), UINT64_MAX - list_->credit);
}

void CommandServer::OnLost() {
  MutexLock lock(mutex_);
  ++stream_;
  commands_.clear();
  lists_.clear();
  waiting_bytes_ = 0;
  replies_.clear();
  list_.reset();
}

}  // namespace sluice::agent
