// sluice-agent: takes packets from NFQUEUE, asks a decider, carries out its verdicts.

#include <google/protobuf/util/time_util.h>
#include <poll.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <csignal>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/check/check.h"
#include "agent/check/privileges.h"
#include "agent/commands.h"
#include "agent/config/config_reader.h"
#include "agent/config/interface_groups.h"
#include "agent/config/table_options.h"
#include "agent/connections/conntrack_watcher.h"
#include "agent/gateway_stats.h"
#include "agent/loop/queue_loop.h"
#include "agent/mode/mode_switch.h"
#include "agent/mode/table_restorer.h"
#include "agent/netfilter/queue/links.h"
#include "agent/netfilter/queue/packet_timestamps.h"
#include "agent/netfilter/survey/probe.h"
#include "agent/netfilter/table/agent_claim.h"
#include "agent/netfilter/table/connection_marks.h"
#include "agent/netfilter/table/table.h"
#include "agent/netfilter/table/table_monitor.h"
#include "agent/ready.h"
#include "agent/release.h"
#include "agent/remembered/remembered_verdicts.h"
#include "agent/streams/command_server.h"
#include "agent/streams/event_reporter.h"
#include "agent/streams/stream_poller.h"
#include "agent/streams/wakeup.h"
#include "proto/text/text.h"
#include "third_party/daemon/daemon_log.h"
#include "third_party/daemon/library_logs.h"
#include "third_party/daemon/open_files.h"
#include "third_party/daemon/stray_signals.h"

namespace sluice::agent {
namespace {

constexpr char kVersion[] = "0.1.0";
constexpr char kLogPattern[] = "%Y-%m-%dT%H:%M:%S.%e %l %v";

// kUsage: trying again would not help, so the systemd unit does not.
enum ExitCode { kOk = 0, kFailed = 1, kUsage = 2 };

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LOG_LEVEL_DEBUG:
      return spdlog::level::debug;
    case LOG_LEVEL_WARNING:
      return spdlog::level::warn;
    case LOG_LEVEL_ERROR:
      return spdlog::level::err;
    default:
      return spdlog::level::info;
  }
}

int Fail(const absl::Status& status, int exit_code = kFailed) {
  spdlog::error("{}", std::string(status.message()));
  return exit_code;
}

v1::AgentIdentity MakeIdentity(const AgentConfig& config) {
  v1::AgentIdentity identity;
  identity.set_gateway(config.gateway());
  std::random_device random;
  identity.set_incarnation(uint64_t{random()} << 32 | random());
  identity.set_agent_version(kVersion);
  return identity;
}

// Whether this process may do what an agent does. A queue or table that somebody else holds is
// refused with EPERM as well, but later, and the holder may let go of it.
absl::Status SettleRights(const AgentConfig& config) {
  if (const absl::Status status = SettlePrivileges(config.user()); !status.ok()) return status;
  const absl::Status asked = ProbeQueueing();
  return absl::IsPermissionDenied(asked) ? asked : absl::OkStatus();
}

// The files that may be open at once, and some more.
uint64_t OpenFilesFor(const AgentConfig& config) { return 64 + 16 * config.queues().count(); }

InterfaceGroups GroupsOf(const AgentConfig& config) {
  std::vector<InterfaceGroups::Group> groups;
  for (const InterfaceGroup& group : config.groups()) {
    groups.push_back({group.name(), {group.interfaces().begin(), group.interfaces().end()}});
  }
  return InterfaceGroups(groups);
}

QueueLoopOptions QueueOptionsOf(const AgentConfig& config, const v1::AgentIdentity& identity,
                                const InterfaceGroups& groups, VerdictMemory* memory,
                                uint32_t index) {
  const uint32_t queue = config.queues().first() + index;
  QueueLoopOptions options;
  options.servers = {config.servers().begin(), config.servers().end()};
  options.pipeline = {
      .queue = static_cast<uint16_t>(queue),
      .index = static_cast<uint8_t>(index),
      .queue_count = static_cast<int>(config.queues().count()),
      .deadline_ns = google::protobuf::util::TimeUtil::DurationToNanoseconds(config.deadline()),
      .hold_limit_ns = google::protobuf::util::TimeUtil::DurationToNanoseconds(config.hold_limit()),
      .max_pending = config.max_pending(),
      .max_pending_bytes = config.max_pending_bytes(),
      .copy_range = {.meta = false,
                     .bytes = config.copy_range() == 0 ? kLargestCopyRange : config.copy_range()},
      .gso = config.queues().gso(),
      .fail_open = config.fail_mode() == FAIL_MODE_OPEN,
      .mark_mask = config.hook().manage() ? config.hook().mark_mask() : 0,
      .memory = memory,
      .groups = &groups,
  };
  options.busy_poll = std::chrono::nanoseconds(
      google::protobuf::util::TimeUtil::DurationToNanoseconds(config.queues().busy_poll()));
  options.socket = {
      .queue = static_cast<uint16_t>(queue),
      .max_length = config.queues().max_length(),
      .receive_buffer = config.queues().receive_buffer(),
      .flags = {.gso = config.queues().gso(), .fail_open = config.fail_mode() == FAIL_MODE_OPEN},
  };
  v1::DecideHello& hello = options.hello;
  *hello.mutable_agent() = identity;
  hello.set_queue(queue);
  v1::Capabilities& capabilities = *hello.mutable_capabilities();
  for (const v1::Action action :
       {v1::ACTION_ACCEPT, v1::ACTION_DROP, v1::ACTION_REQUEUE, v1::ACTION_HOLD}) {
    capabilities.add_actions(action);
  }
  capabilities.set_rewrite(true);
  if (config.hook().manage()) {
    capabilities.add_actions(v1::ACTION_REPEAT);
    hello.set_repeat_limit(kMostRepeats);
    for (const v1::Notify notify : {v1::NOTIFY_HOST_UNREACHABLE, v1::NOTIFY_ADMIN_PROHIBITED,
                                    v1::NOTIFY_PORT_UNREACHABLE, v1::NOTIFY_TCP_RESET}) {
      capabilities.add_notifies(notify);
    }
  }
  capabilities.add_scopes(v1::SCOPE_PACKET);
  if (config.hook().manage()) {
    if (config.hook().connection_mark_mask() != 0) capabilities.add_scopes(v1::SCOPE_CONNECTION);
    capabilities.add_scopes(v1::SCOPE_PEER);
    capabilities.add_scopes(v1::SCOPE_SOURCE);
  }
  *hello.mutable_deadline() = config.deadline();
  *hello.mutable_hold_limit() = config.hold_limit();
  hello.set_max_pending(config.max_pending());
  hello.set_fail_open(config.fail_mode() == FAIL_MODE_OPEN);
  return options;
}

// SIGTERM and SIGINT as a file descriptor. Before any thread starts, as threads inherit the mask.
int OpenSignals() {
  IgnoreStraySignals();
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_CLOEXEC);
}

void LogTotals(const v1::GatewayStats& stats) {
  for (const v1::QueueStats& queue : stats.queues()) {
    spdlog::info("queue {}: received {}, accepted {}, dropped {}, stale {}, no decider {}",
                 queue.queue(), queue.received(), queue.accepted(), queue.dropped(),
                 queue.stale().dropped() + queue.stale().accepted(),
                 queue.no_decider().dropped() + queue.no_decider().accepted());
  }
}

// Says which agent this is.
std::string Self(const AgentConfig& config, const std::string& file) {
  return absl::StrCat("process ", getpid(), ", gateway ", config.gateway(), ", configuration ",
                      file);
}

// Of all that the agent needs, this needs only the capability: it is for when nothing else works.
int TakeRulesOut() {
  const absl::StatusOr<bool> found = Release();
  if (!found.ok())
    return Fail(found.status(), absl::IsPermissionDenied(found.status()) ? kUsage : kFailed);
  spdlog::info("table inet sluice {}: everything is forwarded that other rules let pass",
               *found ? "is gone" : "is not there");
  return kOk;
}

int Run(const AgentConfig& config, const std::string& file) {
  const int signals = OpenSignals();
  if (const absl::Status status = SettleRights(config); !status.ok()) return Fail(status, kUsage);
  if (const absl::Status status = RaiseOpenFiles(OpenFilesFor(config), "this agent");
      !status.ok()) {
    return Fail(status, kUsage);
  }
  // After the rights are settled: its thread keeps those it is started with.
  DaemonLog log(STDERR_FILENO, kLogPattern);
  TakeLibraryLogs();
  const std::vector<std::string> servers(config.servers().begin(), config.servers().end());
  const v1::AgentIdentity identity = MakeIdentity(config);

  // Before anything is changed: the rules and queues of an agent that runs must not be touched.
  std::unique_ptr<AgentClaim> claim;
  if (config.hook().manage()) {
    auto taken = AgentClaim::Take(Self(config, file));
    if (absl::IsAlreadyExists(taken.status())) {
      spdlog::error(
          "another sluice-agent keeps the rules of this network namespace ({}); end it first",
          std::string(taken.status().message()));
      return kFailed;
    }
    if (!taken.ok()) return Fail(taken.status());
    claim = *std::move(taken);
  }

  const PacketTimestamps timestamps;
  const auto links = Links::Open();
  if (!links.ok()) return Fail(links.status());
  const InterfaceGroups groups = GroupsOf(config);

  const google::protobuf::Timestamp started = google::protobuf::util::TimeUtil::GetCurrentTime();
  const IcmpLimits icmp_limits;
  Wakeup broken;
  EventReporter reporter(
      {.agent = identity, .servers = servers, .backlog = config.conntrack().backlog()},
      [&broken] { broken.Signal(); });

  // A table that is there already was left by an agent in mode on or shadow: taking it out because
  // the configuration says so would open a gateway that an operator has closed.
  std::optional<TableState> left;
  std::unique_ptr<Table> table;
  std::unique_ptr<TableMonitor> monitor;
  std::unique_ptr<RememberedVerdicts> remembered;
  if (config.hook().manage()) {
    const TableOptions options = TableOptionsOf(config);
    auto opened = Table::Open(options);
    if (!opened.ok()) return Fail(opened.status());
    table = *std::move(opened);
    // Before there are queues: the packets that they number are counted from here on.
    const absl::StatusOr<std::optional<TableState>> found = table->Found();
    if (!found.ok()) return Fail(found.status());
    left = *found;
    auto monitoring = TableMonitor::Open();
    if (!monitoring.ok()) return Fail(monitoring.status());
    monitor = *std::move(monitoring);
    remembered =
        std::make_unique<RememberedVerdicts>(table.get(), options.connection_mark_mask, SweepMarks);
  }

  std::vector<std::unique_ptr<QueueLoop>> queues;
  std::vector<QueueLoop*> loops;
  for (uint32_t i = 0; i < config.queues().count(); ++i) {
    auto queue = QueueLoop::Open(QueueOptionsOf(config, identity, groups, remembered.get(), i),
                                 links->get(), &reporter, [&broken] { broken.Signal(); });
    if (!queue.ok()) return Fail(queue.status());
    queues.push_back(*std::move(queue));
    loops.push_back(queues.back().get());
  }
  if (remembered != nullptr) remembered->Start({loops.begin(), loops.end()});
  // Its thread uses the queues, so it ends before them, wherever this function returns.
  const absl::Cleanup stop_remembering = [&remembered] {
    if (remembered != nullptr) remembered->Stop();
  };

  ModeSwitch mode(table.get(), remembered.get(), loops);

  std::unique_ptr<ConntrackWatcher> conntrack;
  if (config.conntrack().events()) {
    auto opened =
        ConntrackWatcher::Open({.receive_buffer = config.conntrack().receive_buffer()}, &reporter);
    if (!opened.ok()) return Fail(opened.status());
    conntrack = *std::move(opened);
  }

  for (const auto& queue : queues) {
    // Packets that the table has queued by now are asked about, not waved through as in mode off.
    if (left) queue->EnterMode(left->mode == TableMode::kOn ? v1::MODE_ON : v1::MODE_SHADOW);
    queue->Start();
  }
  if (left) {
    if (const absl::Status status = mode.Adopt(*left); !status.ok()) return Fail(status);
  } else if (config.mode_at_start() == MODE_AT_START_ON) {
    if (const auto set = mode.Set(v1::MODE_ON); !set.ok()) return Fail(set.status());
  }
  std::unique_ptr<TableRestorer> table_restorer;
  if (table != nullptr) {
    table_restorer = std::make_unique<TableRestorer>(std::move(monitor), table->port_id(), &mode);
  }
  const StatsSources sources{.gateway = config.gateway(),
                             .started = started,
                             .queues = loops,
                             .mode = &mode,
                             .icmp_limits = &icmp_limits,
                             .reporter = &reporter,
                             .table = table.get(),
                             .remembered = remembered.get(),
                             .table_restorer = table_restorer.get(),
                             .conntrack = conntrack.get()};
  const auto stats = [&sources] { return ReadStats(sources); };
  if (conntrack != nullptr) conntrack->Start();
  reporter.Start(stats, [&conntrack](v1::GapCause cause) {
    if (conntrack != nullptr) conntrack->RequestResync(cause);
  });
  CommandServer commands(
      servers,
      [&] {
        v1::ServeHello hello;
        *hello.mutable_agent() = identity;
        hello.set_mode(mode.state().mode);
        for (uint32_t i = 0; i < config.queues().count(); ++i) {
          hello.add_queues(config.queues().first() + i);
        }
        return hello;
      },
      [targets = CommandTargets{.mode = &mode,
                                .remembered = remembered.get(),
                                .links = links->get(),
                                .stats = stats}](const v1::Command& command) {
        return RunCommand(command, targets);
      },
      [&broken] { broken.Signal(); });
  commands.Start();

  spdlog::info("gateway {}: ready, mode {}", config.gateway(),
               std::string(ModeName(mode.state().mode)));
  TellReady();

  std::array<pollfd, 2> fds{pollfd{signals, POLLIN, 0}, pollfd{broken.fd(), POLLIN, 0}};
  while (poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
  }
  const bool failed = fds[1].revents != 0;
  TellStopping();
  commands.Stop();
  reporter.Stop();
  if (table_restorer != nullptr) table_restorer->Stop();
  int exit_code = failed ? kFailed : kOk;
  if (!failed && !mode.RevertUnconfirmed().ok()) exit_code = kFailed;
  const bool release = table != nullptr && !failed && config.on_stop() == ON_STOP_RELEASE;
  // The kernel drops queued packets with the table, so they get the fallback in between.
  if (release) {
    if (const absl::Status status = remembered->StopAsking(); !status.ok()) {
      exit_code = Fail(status);
    }
  }
  if (remembered != nullptr) remembered->Stop();
  for (const auto& queue : queues) queue->Stop();
  if (release) {
    if (const absl::Status status = remembered->Remove(); !status.ok()) exit_code = Fail(status);
  }
  if (conntrack != nullptr) conntrack->Stop();
  LogTotals(ReadStats(sources));
  if (mode.state().mode == v1::MODE_ON && table != nullptr && config.on_stop() == ON_STOP_KEEP) {
    spdlog::warn(
        "stopping in mode on: the rules stay and forwarded packets {} until an agent runs "
        "again; sluice-agent --release takes the rules out",
        config.fail_mode() == FAIL_MODE_OPEN ? "pass" : "are dropped");
  }
  spdlog::info("stopped");
  return exit_code;
}

int Main(int argc, char** argv) {
  CLI::App app{
      "sluice-agent: holds this gateway's forwarded packets until a decider answers.\n"
      "Needs CAP_NET_ADMIN. Exit codes: 0 success, 1 failed, 2 bad usage or configuration, or the\n"
      "rights are missing.",
      "sluice-agent"};
  std::string file = "/etc/sluice/agent.yaml";
  bool check = false;
  bool release = false;
  app.add_option("--config", file, "YAML configuration")->capture_default_str();
  auto* check_flag =
      app.add_flag("--check", check, "Test kernel, permissions, rules and servers; change nothing");
  app.add_flag(
         "--release", release,
         "Take the agent's rules out: everything is forwarded. Needs neither configuration nor "
         "server; stop the agent first")
      ->excludes(check_flag);
  app.set_version_flag("--version", kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }

  spdlog::set_default_logger(spdlog::stderr_logger_mt("agent"));
  spdlog::set_pattern(kLogPattern);
  if (release) return TakeRulesOut();
  const absl::StatusOr<AgentConfig> config = ReadConfigFile(file);
  if (!config.ok()) {
    std::cerr << SafeLines(std::string(config.status().message())) << "\n";
    return kUsage;
  }
  spdlog::set_level(LevelOf(config->log_level()));
  if (check) return Check(*config, std::cout) ? kOk : kFailed;
  return Run(*config, file);
}

}  // namespace
}  // namespace sluice::agent

int main(int argc, char** argv) {
  // Debian builds abseil without NDEBUG: to find deadlocks, each of gRPC's locks would be entered
  // into one graph, behind one lock for all threads.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  sluice::agent::StreamPoller::Install();
  return sluice::agent::Main(argc, argv);
}
