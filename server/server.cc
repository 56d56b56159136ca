#include "server/server.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "server/journal/decision_line.h"
#include "server/journal/line_sinks.h"

namespace sluice::server {
namespace {

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
  server->decision_service_.AddTo(&server->methods_);
  server->event_service_.AddTo(&server->methods_);
  server->command_service_.AddTo(&server->methods_);
  server->control_service_.AddTo(&server->methods_);
  server->observe_service_.AddTo(&server->methods_);
  server->health_service_.AddTo(&server->methods_);
  server->reflection_service_.AddTo(&server->methods_);
  std::vector<ListeningSocket> sockets;
  for (const Listener& listener : options.listen) {
    absl::StatusOr<ListeningSocket> socket = Listen(listener.address);
    if (!socket.ok()) {
      for (const ListeningSocket& other : sockets) close(other.fd);
      return socket.status();
    }
    server->ports_.push_back(socket->port);
    sockets.push_back(*socket);
  }
  server->edge_ = std::make_unique<Edge>(options.edge, &server->methods_);
  for (size_t i = 0; i < sockets.size(); ++i) {
    server->edge_->Serve(sockets[i].fd, options.listen[i].tls);
  }
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
      control_service_(
          policies, &trials_, &screeners_, &deciders_, &registry_, &router_,
          [this](v1::PeerUsage* peers) { FillPeerUsage(peers); }, &compiler_, &archivist_,
          &ticker_),
      observe_service_(&log_, &flows_, &collector_, &ticker_),
      health_service_(&methods_, &ticker_),
      reflection_service_(&methods_, &ticker_),
      most_connections_(options.edge.limits.connections) {
  log_.Watch(&writer_, everything_, /*last=*/0, /*follow=*/true);
}

Server::~Server() {
  Stop(std::chrono::milliseconds(0));
  log_.Unwatch(&writer_);
}

void Server::FillPeerUsage(v1::PeerUsage* peers) const {
  const Ledger& ledger = edge_->ledger();
  peers->set_connections(static_cast<uint32_t>(ledger.connections()));
  peers->set_most_connections(static_cast<uint32_t>(most_connections_));
  peers->set_kept_bytes(ledger.held());
  peers->set_refused_connections(ledger.refused(EdgeCause::kConnections));
  peers->set_failed_handshakes(ledger.refused(EdgeCause::kHandshake));
  peers->set_too_slow(ledger.refused(EdgeCause::kTooSlow));
  peers->set_protocol_errors(ledger.refused(EdgeCause::kProtocol));
  peers->set_large_heads(ledger.refused(EdgeCause::kHead));
  peers->set_refused_messages(ledger.refused(EdgeCause::kMessage));
  peers->set_over_budget(ledger.refused(EdgeCause::kBudget));
}

void Server::Stop(std::chrono::milliseconds grace) {
  if (edge_ == nullptr) return;
  ticker_.EndAll(
      absl::UnavailableError("this server is going down: try another server, or try again"));
  edge_->Stop(grace);
  edge_.reset();
}

}  // namespace sluice::server
