#include "server/control/control_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/calls/peer_key.h"
#include "server/control/explain_call.h"
#include "server/control/policy_calls.h"
#include "server/control/remembered_list.h"
#include "server/control/stats_watch.h"
#include "server/control/trial_watch.h"
#include "server/screen/screen_stream.h"
#include "server/streams/durations.h"

namespace sluice::server {
namespace {

// Room for a policy of the largest size (RuleSet::kLargestText) with the names of its files.
constexpr size_t kLargestPolicyRequest = 68 << 20;

constexpr char kService[] = "sluice.v1.ControlService";

absl::Status Busy() {
  return absl::ResourceExhaustedError(
      "this server has too many versions of the policy to read already; try again later");
}

absl::Status TooLate() {
  return absl::DeadlineExceededError("nobody waited for this call any more; nothing was done");
}

// Has the worker do `job` and finishes the call with its result. A job whose caller stopped waiting
// before it began is not done.
template <typename Call, typename Job>
void OnWorker(Worker* worker, Call* call, Job job) {
  const bool posted = worker->Post(
      [call, job = std::move(job)] { call->Finish(call->Abandoned() ? TooLate() : job()); });
  if (!posted) call->Finish(Busy());
}

// The same for calls that compile: `job` is run again once the names it wants are known.
template <typename Call, typename Job>
void OnCompiler(Compiler* compiler, CompilePurpose purpose, Call* call, Job job) {
  compiler->Post({.purpose = purpose,
                  .peer = PeerKey(call->peer()),
                  .run =
                      [call, job = std::move(job)](JobNames* names) {
                        const absl::Status status = call->Abandoned() ? TooLate() : job(names);
                        if (names->wanted.empty()) call->Finish(status);
                      },
                  .busy = [call](const absl::Status& why) { call->Finish(why); },
                  .gone = [call] { return call->Abandoned(); }});
}

absl::Status WrongReply() { return absl::InternalError("the gateway answered another question"); }

template <typename Call>
PolicyCaller CallerOf(Call* call) {
  return {.address = PeerAddress(call->peer()), .gone = [call] { return call->Abandoned(); }};
}

// The interval of WatchStats: one second if none is given, at least 100 ms, and at most an hour, as
// nobody needs a longer one.
std::chrono::milliseconds Interval(const google::protobuf::Duration& interval) {
  if (interval.seconds() == 0 && interval.nanos() == 0) return std::chrono::seconds(1);
  const auto wanted = std::chrono::duration_cast<std::chrono::milliseconds>(ToDuration(interval));
  return std::clamp<std::chrono::milliseconds>(wanted, std::chrono::milliseconds(100),
                                               std::chrono::hours(1));
}

}  // namespace

ControlServiceImpl::ControlServiceImpl(PolicyStore* policies, PolicyTrials* trials,
                                       Screeners* screeners, Deciders* deciders, Registry* registry,
                                       Router* router, FillPeers peers, Compiler* compiler,
                                       Worker* archivist, Ticker* ticker)
    : policies_(policies),
      trials_(trials),
      screeners_(screeners),
      deciders_(deciders),
      registry_(registry),
      router_(router),
      peers_(std::move(peers)),
      compiler_(compiler),
      archivist_(archivist),
      ticker_(ticker) {}

void ControlServiceImpl::AddTo(Methods* methods) {
  AddGateways(methods);
  AddPolicies(methods);
  AddStreams(methods);
}

void ControlServiceImpl::AddGateways(Methods* methods) {
  methods->AddUnary<v1::GetServerRequest, v1::GetServerResponse>(
      kService, "GetServer",
      [this](auto* call) { call->Finish(GetServer(*registry_, peers_, &call->response)); });
  methods->AddUnary<v1::ListGatewaysRequest, v1::ListGatewaysResponse>(
      kService, "ListGateways", [this](auto* call) {
        for (v1::Gateway& gateway : registry_->List()) {
          *call->response.add_gateways() = std::move(gateway);
        }
        call->Finish(absl::OkStatus());
      });
  methods->AddUnary<v1::SetModeRequest, v1::SetModeResponse>(kService, "SetMode",
                                                             [this](auto* call) { SetMode(call); });
  methods->AddUnary<v1::GetStatsRequest, v1::GetStatsResponse>(
      kService, "GetStats", [this](auto* call) { GetStats(call); });
  methods->AddUnary<v1::ForgetRememberedRequest, v1::ForgetRememberedResponse>(
      kService, "ForgetRemembered", [this](auto* call) { ForgetRemembered(call); });
  methods->AddUnary<v1::ListDecidersRequest, v1::ListDecidersResponse>(
      kService, "ListDeciders", [this](auto* call) { ListDeciders(call); });
}

void ControlServiceImpl::AddPolicies(Methods* methods) {
  methods->AddUnary<v1::CheckPolicyRequest, v1::CheckPolicyResponse>(
      kService, "CheckPolicy",
      [this](auto* call) {
        const auto purpose =
            call->request.for_change() ? CompilePurpose::kChange : CompilePurpose::kQuestion;
        OnCompiler(compiler_, purpose, call, [this, call](JobNames* names) {
          return CheckPolicy(call->request, *registry_, *policies_, names, &call->response);
        });
      },
      kLargestPolicyRequest);
  methods->AddUnary<v1::ApplyPolicyRequest, v1::ApplyPolicyResponse>(
      kService, "ApplyPolicy",
      [this](auto* call) {
        OnCompiler(compiler_, CompilePurpose::kChange, call, [this, call](JobNames* names) {
          return ApplyPolicy(call->request, CallerOf(call), *registry_, policies_, names,
                             &call->response);
        });
      },
      kLargestPolicyRequest);
  methods->AddUnary<v1::RollbackPolicyRequest, v1::RollbackPolicyResponse>(
      kService, "RollbackPolicy", [this](auto* call) {
        OnCompiler(compiler_, CompilePurpose::kChange, call, [this, call](JobNames* names) {
          return RollbackPolicy(call->request, CallerOf(call), *registry_, policies_, names,
                                &call->response);
        });
      });
  methods->AddUnary<v1::ConfirmPolicyRequest, v1::ConfirmPolicyResponse>(
      kService, "ConfirmPolicy", [this](auto* call) {
        OnWorker(archivist_, call, [this, call] {
          return ConfirmPolicy(call->request, PeerAddress(call->peer()), policies_,
                               &call->response);
        });
      });
  methods->AddUnary<v1::GetPolicyRequest, v1::GetPolicyResponse>(
      kService, "GetPolicy", [this](auto* call) {
        OnWorker(archivist_, call,
                 [this, call] { return GetPolicy(call->request, *policies_, &call->response); });
      });
  methods->AddUnary<v1::ListPoliciesRequest, v1::ListPoliciesResponse>(
      kService, "ListPolicies", [this](auto* call) {
        OnWorker(archivist_, call, [this, call] {
          ListPolicies(call->request, *policies_, &call->response);
          return absl::OkStatus();
        });
      });
  methods->AddUnary<v1::ExplainPolicyRequest, v1::ExplainPolicyResponse>(
      kService, "ExplainPolicy",
      [this](auto* call) {
        OnCompiler(compiler_, CompilePurpose::kQuestion, call, [this, call](JobNames* names) {
          return ExplainPolicy(call->request, *policies_, names, &call->response);
        });
      },
      kLargestPolicyRequest);
}

// The reactors made here delete themselves.
void ControlServiceImpl::AddStreams(Methods* methods) {
  methods->AddWriting<v1::WatchStatsRequest, v1::WatchStatsResponse>(
      kService, "WatchStats", [this](WriteCall<v1::WatchStatsRequest>&& call) {
        const std::chrono::milliseconds interval = Interval(call.request.interval());
        auto* watch = new StatsWatch(std::move(call), interval, router_, ticker_);
        watch->Begin();
      });
  methods->AddWriting<v1::ListRememberedRequest, v1::ListRememberedResponse>(
      kService, "ListRemembered", [this](WriteCall<v1::ListRememberedRequest>&& call) {
        auto* list = new RememberedList(std::move(call), router_, ticker_);
        list->Begin();
      });
  methods->AddWriting<v1::TryPolicyRequest, v1::TryPolicyResponse>(
      kService, "TryPolicy",
      [this](WriteCall<v1::TryPolicyRequest>&& call) {
        auto* watch = new TrialWatch(std::move(call), policies_, trials_, ticker_);
        watch->Begin(compiler_);
      },
      kLargestPolicyRequest);
  methods->AddBidi<v1::TestPolicyRequest, v1::TestPolicyResponse>(
      kService, "TestPolicy", Lane::kBulk,
      [this](std::shared_ptr<Call> call) {
        auto* stream = new PolicyTestStream(std::move(call), policies_, &test_places_, compiler_,
                                            &tester_, ticker_);
        stream->Begin();
      },
      kLargestPolicyRequest);
  methods->AddBidi<v1::ScreenRequest, v1::ScreenResponse>(
      kService, "Screen", Lane::kPackets, [this](std::shared_ptr<Call> call) {
        BeginScreen(std::move(call), screeners_, registry_, ticker_);
      });
}

void ControlServiceImpl::SetMode(UnaryCall<v1::SetModeRequest, v1::SetModeResponse>* call) {
  const v1::SetModeRequest& request = call->request;
  if (!v1::Mode_IsValid(request.mode())) {
    return call->Finish(absl::InvalidArgumentError(absl::StrCat(
        "mode: ", static_cast<int>(request.mode()), " is not a mode; use off, on or shadow")));
  }
  v1::Command command;
  command.mutable_set_mode()->set_mode(request.mode());
  if (request.has_confirm_within()) {
    *command.mutable_set_mode()->mutable_confirm_within() = request.confirm_within();
  }
  router_->Send(
      request.gateway(), std::move(command),
      [call](const absl::Status& status, const GatewayAnswer& answer) {
        const v1::CommandReply& reply = answer.reply;
        v1::SetModeResponse& response = call->response;
        response.set_previous(reply.set_mode().previous());
        response.set_current(reply.set_mode().current());
        if (reply.set_mode().has_reverts_in()) {
          *response.mutable_reverts_in() = reply.set_mode().reverts_in();
        }
        call->Finish(status.ok() && !reply.has_set_mode() ? WrongReply() : status);
      },
      call->deadline());
}

void ControlServiceImpl::GetStats(UnaryCall<v1::GetStatsRequest, v1::GetStatsResponse>* call) {
  v1::Command command;
  command.mutable_get_stats();
  router_->Send(
      call->request.gateway(), std::move(command),
      [call](const absl::Status& status, const GatewayAnswer& answer) {
        const v1::CommandReply& reply = answer.reply;
        if (reply.has_stats()) *call->response.mutable_stats() = reply.stats();
        call->Finish(status.ok() && !reply.has_stats() ? WrongReply() : status);
      },
      call->deadline());
}

void ControlServiceImpl::ForgetRemembered(
    UnaryCall<v1::ForgetRememberedRequest, v1::ForgetRememberedResponse>* call) {
  v1::Command command;
  command.mutable_forget_remembered();
  router_->Send(
      call->request.gateway(), std::move(command),
      [call](const absl::Status& status, const GatewayAnswer& answer) {
        const v1::CommandReply& reply = answer.reply;
        call->response.set_forgotten(reply.forget_remembered().forgotten());
        call->Finish(status.ok() && !reply.has_forget_remembered() ? WrongReply() : status);
      },
      call->deadline());
}

void ControlServiceImpl::ListDeciders(
    UnaryCall<v1::ListDecidersRequest, v1::ListDecidersResponse>* call) {
  deciders_->List([call](std::vector<v1::Decider> deciders) {
    for (v1::Decider& decider : deciders) *call->response.add_deciders() = std::move(decider);
    call->Finish(absl::OkStatus());
  });
}

}  // namespace sluice::server
