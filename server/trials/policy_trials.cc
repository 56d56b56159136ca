#include "server/trials/policy_trials.h"

#include <utility>

namespace sluice::server {

PolicyTrials::PolicyTrials(Clock clock) : clock_(std::move(clock)), thread_([this] { Run(); }) {}

PolicyTrials::~PolicyTrials() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
    for (const auto& trial : trials_) trial->End();
  }
  changed_.notify_all();
  thread_.join();
}

std::shared_ptr<PolicyTrial> PolicyTrials::Begin(std::shared_ptr<const RuleSet> tried,
                                                 absl::flat_hash_set<std::string> gateways) {
  auto trial = std::make_shared<PolicyTrial>(std::move(tried), std::move(gateways));
  MutexLock lock(mutex_);
  if (trials_.size() >= kMost) return nullptr;
  trials_.push_back(trial);
  running_ = trials_.size();
  return trial;
}

void PolicyTrials::End(std::shared_ptr<PolicyTrial> trial) {
  trial->End();
  {
    MutexLock lock(mutex_);
    std::erase(trials_, trial);
    running_ = trials_.size();
    ended_.push_back(std::move(trial));
  }
  changed_.notify_all();
}

void PolicyTrials::Compare(const std::string& gateway, const std::vector<PacketFields>& packets,
                           const std::function<const v1::PacketBatch&()>& batch,
                           const std::vector<Ruling>& live,
                           const std::shared_ptr<const RuleSet>& live_rules, uint64_t live_version,
                           Time now) {
  Job job;
  for (const PacketFields& packet : packets) job.bytes += kPacketBytes + packet.payload.size();
  job.trials = TakeRoom(gateway, live.size(), job.bytes, now);
  if (job.trials.empty()) return;
  job.gateway = gateway;
  job.arena = std::make_unique<google::protobuf::Arena>();
  auto* const copy = google::protobuf::Arena::CreateMessage<v1::PacketBatch>(job.arena.get());
  *copy->mutable_packets() = batch().packets();
  job.batch = copy;
  job.live = {live, live_rules, live_version};
  {
    MutexLock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
}

std::vector<std::shared_ptr<PolicyTrial>> PolicyTrials::TakeRoom(const std::string& gateway,
                                                                 size_t packets, size_t bytes,
                                                                 Time now) {
  std::vector<std::shared_ptr<PolicyTrial>> trials;
  MutexLock lock(mutex_);
  const bool full = bytes_ + bytes > kMostBytes;
  for (const auto& trial : trials_) {
    if (!trial->Wants(gateway)) continue;
    if (full || trial->Resting(now)) {
      trial->LeaveOut(packets);
    } else {
      trials.push_back(trial);
    }
  }
  if (!trials.empty()) bytes_ += bytes;
  return trials;
}

void PolicyTrials::Run() {
  while (true) {
    std::vector<std::shared_ptr<PolicyTrial>> ended;
    Job job;
    {
      MutexLock lock(mutex_);
      lock.Wait(changed_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return stop_ || !jobs_.empty() || !ended_.empty();
      });
      if (stop_) return;
      ended.swap(ended_);
      if (!jobs_.empty()) {
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
    }
    ended.clear();
    for (const auto& trial : job.trials) trial->Compare(job.gateway, *job.batch, job.live, clock_);
    const size_t bytes = job.bytes;
    job = {};
    MutexLock lock(mutex_);
    bytes_ -= bytes;
  }
}

}  // namespace sluice::server
