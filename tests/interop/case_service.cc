#include "tests/interop/case_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "server/calls/bidi_reactor.h"
#include "server/calls/read_reactor.h"
#include "server/calls/write_reactor.h"
#include "tests/interop/payload.h"

namespace sluice::interop {
namespace {

// More than any case asks for.
constexpr int32_t kLargestPayload = 64 << 20;

absl::Status Wanted(const Request& request) {
  return {static_cast<absl::StatusCode>(request.status().code()), request.status().message()};
}

absl::Status Cancelled() { return absl::CancelledError("nobody waits for an answer"); }
absl::Status Unreadable() { return absl::InvalidArgumentError("this is no request of the call"); }

// The payloads of one call.
class Payloads final {
 public:
  absl::Status Take(const Request& request) {
    if (!IsPayload(request.payload())) {
      return absl::InvalidArgumentError("the payload arrived damaged");
    }
    received_ += static_cast<int64_t>(request.payload().size());
    return absl::OkStatus();
  }
  void Fill(int32_t size, Response* response) const {
    response->set_payload(Payload(static_cast<size_t>(std::clamp(size, 0, kLargestPayload))));
    response->set_received(received_);
  }

 private:
  int64_t received_ = 0;
};

class Collection final : public server::ReadReactor<Request, Response> {
 public:
  Collection(std::shared_ptr<server::Call> call, CallCounts* counts)
      : ReadReactor(std::move(call)), counts_(counts) {
    ++counts_->begun;
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return End();
    if (const absl::Status taken = payloads_.Take(request_); !taken.ok()) return Finish(taken);
    if (request_.sizes_size() > 0) size_ = request_.sizes(0);
    if (request_.has_status()) status_ = Wanted(request_);
    StartRead(&request_);
  }
  void OnDone() override {
    ++counts_->ended;
    delete this;
  }

 private:
  ~Collection() override = default;

  void End() {
    if (unreadable()) return Finish(Unreadable());
    if (!status_.ok()) return Finish(status_);
    Response response;
    payloads_.Fill(size_, &response);
    FinishWith(response);
  }

  CallCounts* const counts_;  // Not owned.
  Request request_;
  Payloads payloads_;
  int32_t size_ = 0;
  absl::Status status_;
};

class Sending final : public server::WriteReactor<Request, Response> {
 public:
  Sending(server::WriteCall<Request>&& call, CallCounts* counts)
      : WriteReactor(std::move(call)), counts_(counts) {
    ++counts_->begun;
    StartSendInitialMetadata();
    const absl::Status taken = payloads_.Take(request());
    taken.ok() ? Next() : Finish(taken);
  }

  void OnWriteDone(bool ok) override { ok ? Next() : Finish(Cancelled()); }
  void OnCancel() override {
    if (std::exchange(sleeping_, false)) Finish(Cancelled());
  }
  void OnDone() override {
    ++counts_->ended;
    delete this;
  }

 private:
  ~Sending() override = default;

  void Next() {
    if (sent_ < request().sizes_size()) {
      payloads_.Fill(request().sizes(sent_++), &response_);
      return StartWrite(&response_);
    }
    if (!request().sleep()) return Finish(Wanted(request()));
    // OnCancel may have come before the last write was done.
    if (call().cancelled()) return Finish(Cancelled());
    sleeping_ = true;
  }

  CallCounts* const counts_;  // Not owned.
  Payloads payloads_;
  int sent_ = 0;  // of request().sizes()
  bool sleeping_ = false;
  Response response_;
};

class Conversation final : public server::BidiReactor<Request, Response> {
 public:
  Conversation(std::shared_ptr<server::Call> call, CallCounts* counts)
      : BidiReactor(std::move(call)), counts_(counts) {
    ++counts_->begun;
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(unreadable() ? Unreadable() : absl::OkStatus());
    if (const absl::Status taken = payloads_.Take(request_); !taken.ok()) return Finish(taken);
    sent_ = 0;
    if (request_.ByteSizeLong() == 0) request_.add_sizes(0);
    Next();
  }
  void OnWriteDone(bool ok) override { ok ? Next() : Finish(Cancelled()); }
  void OnCancel() override {
    if (std::exchange(sleeping_, false)) Finish(Cancelled());
  }
  void OnDone() override {
    ++counts_->ended;
    delete this;
  }

 private:
  ~Conversation() override = default;

  void Next() {
    if (sent_ < request_.sizes_size()) {
      payloads_.Fill(request_.sizes(sent_++), &response_);
      return StartWrite(&response_);
    }
    if (request_.has_status()) return Finish(Wanted(request_));
    if (!request_.sleep()) return StartRead(&request_);
    // OnCancel may have come before the last write was done.
    if (call().cancelled()) return Finish(Cancelled());
    sleeping_ = true;
  }

  CallCounts* const counts_;  // Not owned.
  Request request_;
  Payloads payloads_;
  int sent_ = 0;  // of request_.sizes()
  bool sleeping_ = false;
  Response response_;
};

}  // namespace

CaseService::CaseService(std::function<void(std::chrono::milliseconds grace)> stop)
    : stop_(std::move(stop)) {}

CaseService::~CaseService() {
  MutexLock lock(mutex_);
  for (std::thread& sleeper : sleepers_) sleeper.join();
}

void CaseService::Answer(AnswerCall* call) {
  ++counts_.begun;
  if (call->request.sleep()) {
    MutexLock lock(mutex_);
    sleepers_.emplace_back([this, call] {
      while (!call->Abandoned()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++counts_.ended;
      // The edge says the same at that time; either may come first. A caller that has cancelled
      // sees neither.
      call->Finish(absl::DeadlineExceededError("the deadline has passed"));
    });
    return;
  }
  Payloads payloads;
  absl::Status status = payloads.Take(call->request);
  if (status.ok()) status = Wanted(call->request);
  payloads.Fill(call->request.sizes_size() > 0 ? call->request.sizes(0) : 0, &call->response);
  ++counts_.ended;
  call->Finish(status);
}

void CaseService::AddTo(server::Methods* methods) {
  const std::string service = "sluice.interop.InteropService";
  methods->AddUnary<PingRequest, PingResponse>(service, "Ping",
                                               [](auto* call) { call->Finish(absl::OkStatus()); });
  methods->AddUnary<Request, Response>(
      service, "Answer", [this](AnswerCall* call) { Answer(call); },
      server::Methods::kLargestMessage);
  methods->AddReading<Request, Response>(
      service, "Collect", [this](auto call) { new Collection(std::move(call), &counts_); });
  methods->AddWriting<Request, Response>(
      service, "Send",
      [this](server::WriteCall<Request>&& call) { new Sending(std::move(call), &counts_); });
  methods->AddBidi<Request, Response>(
      service, "Converse", server::Lane::kPackets,
      [this](auto call) { new Conversation(std::move(call), &counts_); });
  methods->AddUnary<CountCallsRequest, CountCallsResponse>(
      service, "CountCalls", [this](auto* call) {
        // In this order, so that no call seems to have ended before it began.
        call->response.set_ended(counts_.ended);
        call->response.set_begun(counts_.begun);
        call->Finish(absl::OkStatus());
      });
  methods->AddUnary<StopRequest, StopResponse>(service, "Stop", [this](auto* call) {
    const std::chrono::milliseconds grace(call->request.grace_ms());
    call->Finish(absl::OkStatus());
    stop_(grace);
  });
}

}  // namespace sluice::interop
