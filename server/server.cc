#include "server/server.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/calls/tcp_keepalive.h"
#include "server/journal/decision_line.h"
#include "server/journal/line_sinks.h"

namespace sluice::server {
namespace {

// Room for a policy of the largest size (RuleSet::kLargestText) with the names of its files.
constexpr int kMaxMessage = 68 * 1024 * 1024;

void SetOptions(grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(kMaxMessage);
  // Channelz and compression are not used here, and would cost time for every message.
  builder->AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  // Two servers must not share a port unnoticed.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // No keepalive by gRPC: KeepAccepted has the kernel do it.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, std::numeric_limits<int>::max());
  // Clients may ping as they like: many libraries do.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
}

// How long gateways wait for name lookups when the server starts. DNS servers that work answer
// sooner.
constexpr std::chrono::milliseconds kNamesPatience{1000};

// To the server's own log 50: people read it, and journald takes some 300 lines a second of a
// service.
uint32_t LinesPerSecond(const ServerOptions& options) {
  if (options.log_rate > 0) return options.log_rate;
  return options.decision_log.empty() ? 50 : 1000;
}

std::vector<std::string> GatewayReport(
    const std::vector<std::shared_ptr<const v1::GatewayStats>>& all) {
  std::vector<std::string> lines;
  for (const auto& stats : all) {
    lines.push_back(GatewayReportLine(std::chrono::system_clock::now(), *stats));
  }
  return lines;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Create(const ServerOptions& options,
                                                       PolicyStore* policies) {
  auto sinks = OpenSinks(options.decision_log);
  if (!sinks.ok()) return sinks.status();
  std::unique_ptr<Server> server(new Server(options, *std::move(sinks), policies));
  // Gives DNS a moment to say what the names of a kept policy mean now.
  server->name_refresher_.AwaitFirst(kNamesPatience);
  grpc::ServerBuilder builder;
  SetOptions(&builder);
  // gRPC writes the ports into it.
  server->ports_.resize(options.listen.size());
  for (size_t i = 0; i < options.listen.size(); ++i) {
    builder.AddListeningPort(options.listen[i], grpc::InsecureServerCredentials(),
                             &server->ports_[i]);
  }
  builder.RegisterService(server->decision_service_.service());
  builder.RegisterService(server->event_service_.service());
  builder.RegisterService(server->command_service_.service());
  builder.RegisterService(server->control_service_.service());
  builder.RegisterService(server->observe_service_.service());
  server->calls_ = std::make_unique<CallQueue>(builder.AddCompletionQueue(), options.busy_poll);
  server->grpc_ = builder.BuildAndStart();
  for (size_t i = 0; i < options.listen.size(); ++i) {
    const std::string& address = options.listen[i];
    if (server->grpc_ == nullptr || server->ports_[i] == 0) {
      return absl::UnavailableError(absl::StrCat(
          "cannot listen on ", address, "; is it in use, or is there no such address here?"));
    }
    // Whoever can reach the socket's folder may connect, as over TCP.
    if (absl::StartsWith(address, "unix:")) chmod(address.c_str() + 5, 0666);
  }
  // Agents send heartbeats in their streams. Observers may be silent for hours, and one whose host
  // is gone must not be kept.
  if (const absl::Status status = KeepAccepted({}); !status.ok()) {
    spdlog::warn("observers whose host is gone will be kept: {}", std::string(status.message()));
  }
  server->decision_service_.Open(server->calls_.get());
  server->event_service_.Open(server->calls_.get());
  server->command_service_.Open(server->calls_.get());
  server->control_service_.Open(server->calls_.get());
  server->observe_service_.Open(server->calls_.get());
  server->calls_->Start();
  return server;
}

Server::Server(const ServerOptions& options, std::vector<std::unique_ptr<LineSink>> sinks,
               PolicyStore* policies)
    : flows_(options.flows),
      registry_(options.gateways,
                [this](const std::string& gateway) {
                  log_.Forget(gateway);
                  flows_.Forget(gateway);
                }),
      writer_({.all = options.log_all,
               .lines_per_second = LinesPerSecond(options),
               .report = [this] { return GatewayReport(registry_.Stats()); }},
              std::move(sinks)),
      router_(&registry_, options.command_timeout),
      deciders_(options.name, policies),
      compiler_([policies](const policy::NameSet& wanted) { return policies->LookUp(wanted); }),
      name_refresher_(policies),
      reverter_(policies, &archivist_, &ticker_),
      set_watcher_(policies, &ticker_),
      decision_service_({policies, &trials_, &screeners_, &deciders_, &log_, &registry_, &ticker_,
                         options.incarnation}),
      event_service_(&flows_, &log_, &registry_, &ticker_),
      command_service_(&registry_, &ticker_),
      control_service_(policies, &trials_, &screeners_, &deciders_, &registry_, &router_,
                       &compiler_, &archivist_, &ticker_),
      observe_service_(&log_, &flows_, &collector_, &ticker_) {
  log_.Watch(&writer_, everything_, /*last=*/0, /*follow=*/true);
}

Server::~Server() {
  Stop(std::chrono::milliseconds(0));
  log_.Unwatch(&writer_);
}

void Server::Stop(std::chrono::milliseconds grace) {
  if (grpc_ == nullptr) return;
  ticker_.EndAll(
      absl::UnavailableError("this server is going down: try another server, or try again"));
  grpc_->Shutdown(std::chrono::system_clock::now() + grace);
  grpc_->Wait();
  calls_.reset();
  grpc_.reset();
}

}  // namespace sluice::server
