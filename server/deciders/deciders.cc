#include "server/deciders/deciders.h"

#include <algorithm>
#include <random>
#include <set>
#include <utility>

namespace sluice::server {
namespace {

// How often the thread looks for a new policy. Its deciders are dialled this late at most.
constexpr std::chrono::milliseconds kPolicyInterval{50};

v1::DecideHello HelloOf(const std::string& name) {
  v1::DecideHello hello;
  hello.mutable_agent()->set_gateway(name);
  hello.mutable_agent()->set_incarnation(std::random_device{}());
  hello.mutable_agent()->set_agent_version("sluice-server");
  hello.set_relay(true);
  hello.set_max_pending(DeciderPool::kMostWaiting);
  // Gateways differ in what they can do and how long they hold packets, so the hello offers
  // everything. Answers are checked against the gateway's own hello.
  hello.mutable_hold_limit()->set_seconds(60);
  v1::Capabilities& able = *hello.mutable_capabilities();
  for (const v1::Action action : {v1::ACTION_ACCEPT, v1::ACTION_DROP, v1::ACTION_REPEAT,
                                  v1::ACTION_REQUEUE, v1::ACTION_HOLD}) {
    able.add_actions(action);
  }
  for (const v1::Notify notify : {v1::NOTIFY_HOST_UNREACHABLE, v1::NOTIFY_ADMIN_PROHIBITED,
                                  v1::NOTIFY_PORT_UNREACHABLE, v1::NOTIFY_TCP_RESET}) {
    able.add_notifies(notify);
  }
  for (const v1::Scope scope :
       {v1::SCOPE_PACKET, v1::SCOPE_CONNECTION, v1::SCOPE_PEER, v1::SCOPE_SOURCE}) {
    able.add_scopes(scope);
  }
  able.set_rewrite(true);
  return hello;
}

gpr_timespec ToTimespec(Deciders::Clock::duration from_now) {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(from_now).count();
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(std::max<int64_t>(0, ns), GPR_TIMESPAN));
}

}  // namespace

Deciders::Deciders(const std::string& name, const PolicyStore* policies) : policies_(policies) {
  common_.hello = HelloOf(name);
  common_.dialer = &dialer_;
  common_.on_policy = [this] { ++revision_; };
  thread_ = std::thread([this] { Run(); });
}

Deciders::~Deciders() {
  Post([](Mail& mail) { mail.stop = true; });
  thread_.join();
}

void Deciders::Ask(std::vector<Question> questions) {
  std::vector<Question> refused;
  Post([&](Mail& mail) {
    for (Question& question : questions) {
      if (mail.questions.size() < kMostPosted) {
        mail.questions.push_back(std::move(question));
      } else {
        ++mail.unasked[question.ruling.ask->decider];
        refused.push_back(std::move(question));
      }
    }
  });
  for (const Question& question : refused) {
    question.asker->Answer(Otherwise(question, "has too much to do", Clock::now()));
  }
}

void Deciders::CountUnasked(const std::map<std::string, uint64_t>& packets) {
  Post([&](Mail& mail) {
    for (const auto& [name, count] : packets) mail.unasked[name] += count;
  });
}

void Deciders::List(Listed done) {
  Post([&](Mail& mail) { mail.lists.push_back(std::move(done)); });
}

template <typename Put>
void Deciders::Post(Put put) {
  bool wake = false;
  {
    MutexLock lock(mutex_);
    put(mail_);
    wake = !std::exchange(woken_, true);
  }
  if (!wake) return;
  mail_came_.notify_one();
  // The null tag tells its event from those of streams.
  alarm_.Set(&events_, gpr_now(GPR_CLOCK_MONOTONIC), nullptr);
}

void Deciders::Run() {
  bool stop = false;
  while (!stop) {
    // Without deciders, wait outside gRPC: a thread that waits in gRPC serves every connection of
    // this process and would be woken for those of agents as well.
    const bool nothing = pools_.empty() && dialer_.calls() == 0 && !WaitForMail();
    Clock::time_point now = Clock::now();
    void* tag = nullptr;
    bool ok = false;
    const Clock::duration wait = nothing ? Clock::duration(0) : NextTimer(now) - now;
    dialer_.watch()->Enter();
    const bool happened =
        events_.AsyncNext(&tag, &ok, ToTimespec(wait)) == grpc::CompletionQueue::GOT_EVENT;
    dialer_.watch()->Leave();
    now = Clock::now();
    FollowPolicy(now);
    if (happened && tag != nullptr) GrpcDeciderDialer::Happened(tag, ok, now);
    if (happened && tag == nullptr) stop = !TakeMail(now);
    for (auto& [name, pool] : pools_) pool.Run(now);
  }
  Drain();
}

bool Deciders::WaitForMail() {
  MutexLock lock(mutex_);
  return lock.WaitFor(mail_came_, kPolicyInterval,
                      [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return woken_; });
}

bool Deciders::TakeMail(Clock::time_point now) {
  Mail mail;
  {
    MutexLock lock(mutex_);
    mail = std::exchange(mail_, {});
    woken_ = false;
  }
  for (Question& question : mail.questions) {
    const auto pool = pools_.find(question.ruling.ask->decider);
    if (pool != pools_.end()) {
      pool->second.Ask(std::move(question), now);
    } else {
      question.asker->Answer(Otherwise(question, "is gone", now));
    }
  }
  for (const auto& [name, packets] : mail.unasked) {
    if (const auto pool = pools_.find(name); pool != pools_.end()) {
      pool->second.CountUnasked(packets);
    }
  }
  for (const Listed& done : mail.lists) {
    std::vector<v1::Decider> deciders;
    for (const auto& [name, pool] : pools_) pool.List(&deciders);
    done(std::move(deciders));
  }
  return !mail.stop;
}

void Deciders::FollowPolicy(Clock::time_point now) {
  std::shared_ptr<const Policy> policy = policies_->Current();
  if (followed_ == policy) return;
  followed_ = std::move(policy);
  std::set<std::string> named;
  for (const policy::Decider& decider : followed_->rules->deciders()) {
    named.insert(decider.name);
    pools_.try_emplace(decider.name, decider.name, &common_)
        .first->second.SetAddresses(decider.addresses, now);
  }
  for (auto pool = pools_.begin(); pool != pools_.end();) {
    if (named.count(pool->first) > 0) {
      ++pool;
      continue;
    }
    pool->second.SetAddresses({}, now);
    pool = pools_.erase(pool);
  }
}

Deciders::Clock::time_point Deciders::NextTimer(Clock::time_point now) const {
  Clock::time_point next = now + kPolicyInterval;
  for (const auto& [name, pool] : pools_) next = std::min(next, pool.NextTimer());
  return next;
}

void Deciders::Drain() {
  pools_.clear();
  void* tag = nullptr;
  bool ok = false;
  // The calls were cancelled and end soon. The alarm is not pending: nobody posts any more.
  while (dialer_.calls() > 0) {
    dialer_.watch()->Enter();
    const bool happened = events_.Next(&tag, &ok);
    dialer_.watch()->Leave();
    if (!happened) break;
    GrpcDeciderDialer::Happened(tag, ok, Clock::now());
  }
  events_.Shutdown();
  while (events_.Next(&tag, &ok)) {
  }
}

}  // namespace sluice::server
