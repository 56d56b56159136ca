#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <string>

#include "server/gateways/router.h"
#include "server/streams/ticker.h"
#include "sluice/v1/control.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// One WatchStats call: asks the gateway at each interval, one question at a time, and writes the
// answer; a caller that reads slowly is asked for less. Ends with the error of the first
// question that fails. Made with new; deletes itself.
class StatsWatch final : public grpc::ServerWriteReactor<v1::WatchStatsResponse>, public Ticked {
 public:
  StatsWatch(grpc::CallbackServerContext* context, std::string gateway,
             std::chrono::milliseconds interval, Router* router, Ticker* ticker);
  void Begin();

  void Tick(Time now) override;
  void End(const grpc::Status& why) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  ~StatsWatch() override = default;

  void Ask();
  void Answered(const grpc::Status& status, const v1::CommandReply& reply);
  void EndLocked(const grpc::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::CallbackServerContext* const context_;  // Not owned, nor are these.
  Router* const router_;
  Ticker* const ticker_;
  const std::string gateway_;
  const std::chrono::milliseconds interval_;

  Mutex mutex_;
  Time next_ ABSL_GUARDED_BY(mutex_);           // When to ask again.
  bool asking_ ABSL_GUARDED_BY(mutex_) = true;  // A question is under way, and has our address.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int ended_ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
  v1::WatchStatsResponse response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
