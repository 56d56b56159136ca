#include "tests/bench/raw_agents/fleet.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <random>

#include "absl/strings/str_cat.h"
#include "clients/loadgen/limits.h"

namespace sluice::bench {
namespace {

// A thousand at once would overflow the backlog of a unix socket.
constexpr uint32_t kStartingAtOnce = 64;

int64_t NowNs() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Fleet::Fleet(uint32_t agents, const RawAgent::Shared* shared)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), members_(agents), tick_due_ns_(NowNs()) {
  const uint64_t incarnation = std::random_device()();
  for (uint32_t i = 0; i < agents; ++i) {
    members_[i].agent =
        std::make_unique<RawAgent>(absl::StrCat("load-", i + 1), incarnation, shared);
  }
}

Fleet::~Fleet() { close(epoll_); }

void Fleet::Connect() {
  size_t started = 0;
  while (started < members_.size() || starting_ > 0) {
    for (; started < members_.size() && starting_ < kStartingAtOnce; ++started) {
      ++starting_;
      members_[started].agent->Start(NowNs());
      Update(started);
    }
    Turn(NowNs() + loadgen::kSecond);
  }
}

void Fleet::Keep(uint32_t in_flight) {
  for (size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].agent->state() != RawAgent::State::kUp) continue;
    members_[i].agent->Keep(in_flight, NowNs());
    Update(i);
  }
}

void Fleet::RunFor(int64_t ns, const std::function<bool()>& done) {
  const int64_t end_ns = NowNs() + ns;
  while (up_ > 0 && NowNs() < end_ns && (done == nullptr || !done())) Turn(end_ns);
}

size_t Fleet::pending() const {
  size_t pending = 0;
  for (const Member& member : members_) pending += member.agent->pending();
  return pending;
}

std::vector<uint64_t> Fleet::AnsweredByAgent() const {
  std::vector<uint64_t> answered;
  for (const Member& member : members_) answered.push_back(member.agent->answered());
  return answered;
}

void Fleet::Turn(int64_t until_ns) {
  const int64_t now_ns = NowNs();
  const int64_t wait_ns = std::max<int64_t>(std::min(until_ns, tick_due_ns_) - now_ns, 0);
  // Rounded up: a millisecond late is better than spinning for one.
  const auto wait_ms =
      static_cast<int>((wait_ns + loadgen::kMillisecond - 1) / loadgen::kMillisecond);
  std::array<epoll_event, 256> events;
  const int count = epoll_wait(epoll_, events.data(), events.size(), wait_ms);
  for (int i = 0; i < count; ++i) {
    const size_t index = events[static_cast<size_t>(i)].data.u64;
    members_[index].agent->OnReady(NowNs());
    Update(index);
  }
  TickDue(NowNs());
}

void Fleet::TickDue(int64_t now_ns) {
  while (tick_due_ns_ <= now_ns) {
    members_[next_tick_].agent->Tick(now_ns, now_ns - tick_due_ns_);
    Update(next_tick_);
    next_tick_ = (next_tick_ + 1) % members_.size();
    tick_due_ns_ += loadgen::kHeartbeatInterval / static_cast<int64_t>(members_.size());
  }
}

void Fleet::Update(size_t index) {
  Member& member = members_[index];
  const RawAgent& agent = *member.agent;
  if (agent.state() == RawAgent::State::kNew) return;
  const bool down = agent.state() == RawAgent::State::kDown;
  if (!member.settled && (down || agent.state() == RawAgent::State::kUp)) {
    member.settled = true;
    --starting_;
    if (agent.was_up()) {
      ++connected_;
      ++up_;
    }
  }
  if (down) {
    // Closing the socket has removed it from epoll.
    if (member.counted) return;
    member.counted = true;
    if (agent.was_up()) {
      --up_;
    } else {
      ++refused_;
    }
    ++reasons_[agent.reason()];
    return;
  }
  const uint32_t wanted = EPOLLIN | (agent.wants_write() ? uint32_t{EPOLLOUT} : 0);
  if (wanted == member.watched) return;
  epoll_event event = {};
  event.events = wanted;
  event.data.u64 = index;
  epoll_ctl(epoll_, member.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, agent.fd(), &event);
  member.watched = wanted;
}

}  // namespace sluice::bench
