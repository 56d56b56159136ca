#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "server/gateways/router.h"
#include "server/streams/writing_call.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// One ListRemembered call: asks the gateway and writes its answer in several messages. Made with
// new; deletes itself.
class RememberedList final
    : public WritingCall<v1::ListRememberedRequest, v1::ListRememberedResponse> {
 public:
  RememberedList(WriteCall<v1::ListRememberedRequest>&& call, Router* router, Ticker* ticker);
  void Begin();

 private:
  ~RememberedList() override = default;

  void Answered(const absl::Status& status, GatewayAnswer&& answer);
  void Written() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Router* const router_;  // Not owned.

  std::vector<GatewayAnswer::Part> list_ ABSL_GUARDED_BY(mutex_);
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;  // Index into list_.
};

}  // namespace sluice::server
