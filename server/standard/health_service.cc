#include "server/standard/health_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/streams/writing_call.h"

namespace sluice::server {
namespace {

namespace health = grpc::health::v1;

// Says how it is and stays. Deletes itself.
class Watch final : public WritingCall<health::HealthCheckRequest, health::HealthCheckResponse> {
 public:
  Watch(WriteCall<health::HealthCheckRequest>&& call, Ticker* ticker)
      : WritingCall(std::move(call), ticker) {}

  void Begin(health::HealthCheckResponse::ServingStatus status) {
    ticker_->Add(this);
    MutexLock lock(mutex_);
    response_.set_status(status);
    if (!ended()) Write(&response_);
    Returned();
  }

 private:
  ~Watch() override = default;

  health::HealthCheckResponse response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

bool HealthService::Serves(const std::string& service) const {
  const std::vector<std::string> services = methods_->Services();
  return service.empty() || std::find(services.begin(), services.end(), service) != services.end();
}

void HealthService::AddTo(Methods* methods) {
  const char* const service = "grpc.health.v1.Health";
  methods->AddUnary<health::HealthCheckRequest, health::HealthCheckResponse>(
      service, "Check", [this](auto* call) {
        if (!Serves(call->request.service())) {
          return call->Finish(absl::NotFoundError(
              absl::StrCat("this server has no service ", call->request.service())));
        }
        call->response.set_status(health::HealthCheckResponse::SERVING);
        call->Finish(absl::OkStatus());
      });
  methods->AddWriting<health::HealthCheckRequest, health::HealthCheckResponse>(
      service, "Watch", [this](WriteCall<health::HealthCheckRequest>&& call) {
        const bool serves = Serves(call.request.service());
        // Deletes itself.
        auto* watch = new Watch(std::move(call), ticker_);
        watch->Begin(serves ? health::HealthCheckResponse::SERVING
                            : health::HealthCheckResponse::SERVICE_UNKNOWN);
      });
}

}  // namespace sluice::server
