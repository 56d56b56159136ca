#include "server/control/control_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/control/explain_call.h"
#include "server/control/policy_calls.h"
#include "server/control/remembered_list.h"
#include "server/control/server_usage.h"
#include "server/control/stats_watch.h"
#include "server/control/trial_watch.h"
#include "server/screen/screen_stream.h"

namespace sluice::server {
namespace {

using grpc::StatusCode;

grpc::ServerUnaryReactor* Finished(grpc::CallbackServerContext* context,
                                   const grpc::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

// A call that is finished later, by the router or the worker, exactly once.
class Later final : public grpc::ServerUnaryReactor {
 public:
  void OnDone() override { delete this; }

 private:
  ~Later() override = default;
};

grpc::Status Busy() {
  return grpc::Status(StatusCode::RESOURCE_EXHAUSTED,
                      "this server has many policies to look at already; try again later");
}

// Has the worker do `job` and finishes the call with what comes of it.
template <typename Job>
grpc::ServerUnaryReactor* OnWorker(Worker* worker, Job job) {
  auto* call = new Later;  // Deletes itself.
  if (!worker->Post([call, job = std::move(job)] { call->Finish(job()); })) call->Finish(Busy());
  return call;
}

grpc::Status WrongReply() {
  return grpc::Status(StatusCode::INTERNAL, "the gateway answered another question");
}

// Least and usual interval of WatchStats; an hour is as good as any longer one.
std::chrono::milliseconds Interval(const google::protobuf::Duration& interval) {
  const int64_t seconds = std::clamp<int64_t>(interval.seconds(), 0, 3600);
  const int64_t ms = seconds * 1000 + interval.nanos() / 1'000'000;
  if (interval.seconds() == 0 && interval.nanos() == 0) return std::chrono::milliseconds(1000);
  return std::chrono::milliseconds(std::clamp<int64_t>(ms, 100, 3'600'000));
}

}  // namespace

ControlServiceImpl::ControlServiceImpl(PolicyStore* policies, PolicyTrials* trials,
                                       Screens* screens, Deciders* deciders, Registry* registry,
                                       Router* router, Worker* compiler, Worker* archivist,
                                       Ticker* ticker)
    : policies_(policies),
      trials_(trials),
      screens_(screens),
      deciders_(deciders),
      registry_(registry),
      router_(router),
      compiler_(compiler),
      archivist_(archivist),
      ticker_(ticker) {}

grpc::ServerUnaryReactor* ControlServiceImpl::GetServer(grpc::CallbackServerContext* context,
                                                        const v1::GetServerRequest*,
                                                        v1::GetServerResponse* response) {
  return Finished(context, server::GetServer(*registry_, response));
}

grpc::ServerUnaryReactor* ControlServiceImpl::ListGateways(grpc::CallbackServerContext* context,
                                                           const v1::ListGatewaysRequest*,
                                                           v1::ListGatewaysResponse* response) {
  for (v1::Gateway& gateway : registry_->List()) *response->add_gateways() = std::move(gateway);
  return Finished(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlServiceImpl::SetMode(grpc::CallbackServerContext* context,
                                                      const v1::SetModeRequest* request,
                                                      v1::SetModeResponse* response) {
  if (!v1::Mode_IsValid(request->mode())) {
    return Finished(context, grpc::Status(StatusCode::INVALID_ARGUMENT,
                                          absl::StrCat("mode: ", static_cast<int>(request->mode()),
                                                       " is none; off, on and shadow are")));
  }
  v1::Command command;
  command.mutable_set_mode()->set_mode(request->mode());
  if (request->has_confirm_within()) {
    *command.mutable_set_mode()->mutable_confirm_within() = request->confirm_within();
  }
  auto* call = new Later;  // Deletes itself.
  router_->Send(request->gateway(), std::move(command),
                [call, response](const grpc::Status& status, const v1::CommandReply& reply) {
                  response->set_previous(reply.set_mode().previous());
                  response->set_current(reply.set_mode().current());
                  if (reply.set_mode().has_reverts_in()) {
                    *response->mutable_reverts_in() = reply.set_mode().reverts_in();
                  }
                  call->Finish(status.ok() && !reply.has_set_mode() ? WrongReply() : status);
                });
  return call;
}

grpc::ServerUnaryReactor* ControlServiceImpl::GetStats(grpc::CallbackServerContext*,
                                                       const v1::GetStatsRequest* request,
                                                       v1::GetStatsResponse* response) {
  v1::Command command;
  command.mutable_get_stats();
  auto* call = new Later;  // Deletes itself.
  router_->Send(request->gateway(), std::move(command),
                [call, response](const grpc::Status& status, const v1::CommandReply& reply) {
                  if (reply.has_stats()) *response->mutable_stats() = reply.stats();
                  call->Finish(status.ok() && !reply.has_stats() ? WrongReply() : status);
                });
  return call;
}

grpc::ServerWriteReactor<v1::WatchStatsResponse>* ControlServiceImpl::WatchStats(
    grpc::CallbackServerContext* context, const v1::WatchStatsRequest* request) {
  // Deletes itself.
  auto* watch =
      new StatsWatch(context, request->gateway(), Interval(request->interval()), router_, ticker_);
  watch->Begin();
  return watch;
}

grpc::ServerWriteReactor<v1::ListRememberedResponse>* ControlServiceImpl::ListRemembered(
    grpc::CallbackServerContext* context, const v1::ListRememberedRequest* request) {
  auto* list = new RememberedList(context, router_, ticker_);  // Deletes itself.
  list->Begin(*request);
  return list;
}

grpc::ServerUnaryReactor* ControlServiceImpl::ClearRemembered(
    grpc::CallbackServerContext*, const v1::ClearRememberedRequest* request,
    v1::ClearRememberedResponse* response) {
  v1::Command command;
  command.mutable_clear_remembered();
  auto* call = new Later;  // Deletes itself.
  router_->Send(
      request->gateway(), std::move(command),
      [call, response](const grpc::Status& status, const v1::CommandReply& reply) {
        response->set_cleared(reply.clear_remembered().cleared());
        call->Finish(status.ok() && !reply.has_clear_remembered() ? WrongReply() : status);
      });
  return call;
}

grpc::ServerUnaryReactor* ControlServiceImpl::CheckPolicy(grpc::CallbackServerContext*,
                                                          const v1::CheckPolicyRequest* request,
                                                          v1::CheckPolicyResponse* response) {
  return OnWorker(compiler_, [this, request, response] {
    server::CheckPolicy(*request, *registry_, response);
    return grpc::Status::OK;
  });
}

grpc::ServerUnaryReactor* ControlServiceImpl::ApplyPolicy(grpc::CallbackServerContext* context,
                                                          const v1::ApplyPolicyRequest* request,
                                                          v1::ApplyPolicyResponse* response) {
  return OnWorker(compiler_, [this, request, response, peer = PeerAddress(context->peer())] {
    return server::ApplyPolicy(*request, peer, *registry_, policies_, response);
  });
}

grpc::ServerUnaryReactor* ControlServiceImpl::RollbackPolicy(
    grpc::CallbackServerContext* context, const v1::RollbackPolicyRequest* request,
    v1::RollbackPolicyResponse* response) {
  return OnWorker(compiler_, [this, request, response, peer = PeerAddress(context->peer())] {
    return server::RollbackPolicy(*request, peer, *registry_, policies_, response);
  });
}

grpc::ServerUnaryReactor* ControlServiceImpl::ConfirmPolicy(grpc::CallbackServerContext* context,
                                                            const v1::ConfirmPolicyRequest* request,
                                                            v1::ConfirmPolicyResponse* response) {
  return OnWorker(archivist_, [this, request, response, peer = PeerAddress(context->peer())] {
    return server::ConfirmPolicy(*request, peer, policies_, response);
  });
}

grpc::ServerUnaryReactor* ControlServiceImpl::GetPolicy(grpc::CallbackServerContext*,
                                                        const v1::GetPolicyRequest* request,
                                                        v1::GetPolicyResponse* response) {
  return OnWorker(archivist_, [this, request, response] {
    return server::GetPolicy(*request, *policies_, response);
  });
}

grpc::ServerUnaryReactor* ControlServiceImpl::ListPolicies(grpc::CallbackServerContext*,
                                                           const v1::ListPoliciesRequest* request,
                                                           v1::ListPoliciesResponse* response) {
  return OnWorker(archivist_, [this, request, response] {
    server::ListPolicies(*request, *policies_, response);
    return grpc::Status::OK;
  });
}

grpc::ServerWriteReactor<v1::TryPolicyResponse>* ControlServiceImpl::TryPolicy(
    grpc::CallbackServerContext* context, const v1::TryPolicyRequest* request) {
  auto* watch = new TrialWatch(context, trials_, ticker_);  // Deletes itself.
  watch->Begin(request, compiler_);
  return watch;
}

grpc::ServerBidiReactor<v1::TestPolicyRequest, v1::TestPolicyResponse>*
ControlServiceImpl::TestPolicy(grpc::CallbackServerContext* context) {
  // Deletes itself.
  auto* stream = new PolicyTestStream(context, policies_, &test_room_, compiler_, ticker_);
  stream->Begin();
  return stream;
}

grpc::ServerUnaryReactor* ControlServiceImpl::ListDeciders(grpc::CallbackServerContext*,
                                                           const v1::ListDecidersRequest*,
                                                           v1::ListDecidersResponse* response) {
  auto* call = new Later;  // Deletes itself.
  deciders_->List([call, response](std::vector<v1::Decider> deciders) {
    for (v1::Decider& decider : deciders) *response->add_deciders() = std::move(decider);
    call->Finish(grpc::Status::OK);
  });
  return call;
}

grpc::ServerUnaryReactor* ControlServiceImpl::ExplainPolicy(grpc::CallbackServerContext*,
                                                            const v1::ExplainPolicyRequest* request,
                                                            v1::ExplainPolicyResponse* response) {
  return OnWorker(compiler_, [this, request, response] {
    return server::ExplainPolicy(*request, *policies_, response);
  });
}

grpc::ServerBidiReactor<v1::ScreenRequest, v1::ScreenResponse>* ControlServiceImpl::Screen(
    grpc::CallbackServerContext* context) {
  return BeginScreen(context, screens_, registry_, ticker_);
}

}  // namespace sluice::server
