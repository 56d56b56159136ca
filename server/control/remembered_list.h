#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "server/gateways/router.h"
#include "server/streams/ticker.h"
#include "sluice/v1/control.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// One ListRemembered call: asks the gateway, and writes what it answered some at a time. Made with
// new; deletes itself.
class RememberedList final : public grpc::ServerWriteReactor<v1::ListRememberedResponse>,
                             public Ticked {
 public:
  RememberedList(grpc::CallbackServerContext* context, Router* router, Ticker* ticker);
  void Begin(const v1::ListRememberedRequest& request);

  void Tick(Time now) override;
  void End(const grpc::Status& why) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  ~RememberedList() override = default;

  void Answered(const grpc::Status& status, const v1::CommandReply& reply);
  void WriteLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndLocked(const grpc::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::CallbackServerContext* const context_;  // Not owned, nor are these.
  Router* const router_;
  Ticker* const ticker_;

  Mutex mutex_;
  bool asking_ ABSL_GUARDED_BY(mutex_) = true;  // The question is under way, and has our address.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int ended_ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
  v1::RememberedVerdicts verdicts_ ABSL_GUARDED_BY(mutex_);
  int next_ ABSL_GUARDED_BY(mutex_) = 0;  // Of verdicts_.
  v1::ListRememberedResponse response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
