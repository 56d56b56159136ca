#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/gateways/router.h"
#include "server/streams/writing_call.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// One WatchStats call: asks the gateway at each interval, one question at a time, and writes the
// answer. For a caller that reads slowly the gateway is asked less often. Ends with the error of
// the first question that fails. Made with new; deletes itself.
class StatsWatch final : public WritingCall<v1::WatchStatsRequest, v1::WatchStatsResponse> {
 public:
  StatsWatch(WriteCall<v1::WatchStatsRequest>&& call, std::chrono::milliseconds interval,
             Router* router, Ticker* ticker);
  void Begin();

 private:
  ~StatsWatch() override = default;

  void Ticking(Time now) override;
  void Written() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The call is lent until the answer comes.
  void Ask();
  void Answered(const absl::Status& status, const v1::CommandReply& reply);

  Router* const router_;  // Not owned.
  const std::chrono::milliseconds interval_;

  Time next_ ABSL_GUARDED_BY(mutex_);  // When to ask again.
  v1::WatchStatsResponse response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
