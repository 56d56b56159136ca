// sluice-server: decides packets for the gateways' agents and shows people what happens there.

#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "server/edge/listen_address.h"
#include "server/edge/tls.h"
#include "server/policies/policy_archive.h"
#include "server/policies/policy_problems.h"
#include "server/policies/policy_store.h"
#include "server/policies/policy_text.h"
#include "server/server.h"
#include "server/stop_at_once.h"
#include "third_party/daemon/daemon_log.h"
#include "third_party/daemon/library_logs.h"
#include "third_party/daemon/open_files.h"
#include "third_party/daemon/stray_signals.h"

namespace sluice::server {
namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

// Files of the server itself: policies, sets, logs, connections to deciders. All others that it may
// have open are for its peers' connections. The limit is raised as far as the hard limit allows.
constexpr uint64_t kOwnFiles = 192;
// The least there must be for a few agents with three connections each.
constexpr uint64_t kOpenFiles = kOwnFiles + 64;
// Connections by default, if the limit allows as many: some 10,000 agents.
constexpr uint64_t kMostConnections = 65'536;

struct Flags {
  std::vector<std::string> listen;
  std::vector<std::string> listen_tls;
  std::string tls_cert;
  std::string tls_key;
  std::vector<std::string> allow_origin;
  uint64_t max_connections = 0;  // 0: as many as the limit of open files allows.
  std::string policy;
  std::string state;
  std::string set_dir;
  std::vector<std::string> decision_log;
  bool log_all = false;
  uint32_t log_rate = 0;
  uint32_t busy_poll_us = 0;
  std::string log_level = "info";
};

// Whether the policy in force, kept from the last run, says the same already.
bool InForce(const v1::PolicyText& text, const Policy& now) {
  v1::PolicyText other = now.text;
  other.set_source(text.source());
  return now.version != 0 && other.SerializeAsString() == text.SerializeAsString();
}

constexpr char kPolicyAuthor[] = "sluice-server --policy";

// Applies the policy in `path` unless it is in force; prints its problems. If its names cannot be
// looked up, the policy from the last run, if there is one, decides until they can.
int ApplyFile(const std::string& path, PolicyStore* policies) {
  std::vector<std::string> unreadable;
  const absl::StatusOr<v1::PolicyText> text = LoadPolicy(path, &unreadable);
  if (!text.ok()) {
    absl::FPrintF(stderr, "%s\n", std::string(text.status().message()));
    return kUsage;
  }
  for (const std::string& line : unreadable) absl::FPrintF(stderr, "%s\n", line);
  if (InForce(*text, *policies->Current())) return kOk;
  const PolicyStore::Applied applied =
      policies->Apply(*text, std::chrono::system_clock::now(),
                      {.author = kPolicyAuthor, .even_unkept = true, .any_cost = true});
  for (const v1::PolicyProblem& problem : applied.problems) {
    absl::FPrintF(stderr, "%s", FormatProblem(*text, problem, ""));
  }
  for (const v1::PolicyProblem& warning : applied.warnings) {
    absl::FPrintF(stderr, "%s", FormatProblem(*text, warning, "warning: "));
  }
  if (applied.problems.empty() && !applied.status.ok()) {
    absl::FPrintF(stderr, "%s: %s\n", path, std::string(applied.status.message()));
  }
  if (applied.current != nullptr) return kOk;
  if (!absl::IsUnavailable(applied.status)) return kUsage;
  const uint64_t now = policies->Current()->version;
  if (now == 0) {
    spdlog::error("{}: {}, and there is no other policy to begin with", path,
                  std::string(applied.status.message()));
    return kFailed;
  }
  spdlog::error("{}: {}; policy {} decides until they can", path,
                std::string(applied.status.message()), now);
  policies->ApplyOnceKnown(*text, kPolicyAuthor);
  return kOk;
}

// The folder of set files: the one given, or else that of the policy; "" for none.
std::string SetDir(const Flags& flags) {
  if (!flags.set_dir.empty()) return std::filesystem::absolute(flags.set_dir).string();
  if (flags.policy.empty()) return "";
  return std::filesystem::absolute(flags.policy).lexically_normal().parent_path().string();
}

// The host name, in a form that others accept as a gateway's name (HOST_NAME_MAX is 64).
std::string HostName() {
  char text[65] = "";
  if (gethostname(text, sizeof(text) - 1) != 0) return "unknown";
  std::string name = text;
  for (char& c : name) {
    if (c <= ' ' || c > '~') c = '-';  // The kernel allows any bytes.
  }
  return name;
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  return signals;
}

// Called before any thread is made, so that only Run takes the signals.
void BlockSignals() {
  IgnoreStraySignals();
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

// Ends the process with success if stopping takes about a second: a slow name lookup, for example,
// holds up its thread.
class ShutdownWatchdog final {
 public:
  explicit ShutdownWatchdog(DaemonLog* log) : log_(log), thread_([this] { Run(); }) {}
  ~ShutdownWatchdog() {
    done_.set_value();
    thread_.join();
  }

 private:
  void Run() {
    if (done_.get_future().wait_for(std::chrono::milliseconds(900)) == std::future_status::ready) {
      return;
    }
    spdlog::warn("some calls did not end; exiting without waiting for them");
    log_->Stop();
    std::_Exit(kOk);
  }

  DaemonLog* const log_;  // Not owned.
  std::promise<void> done_;
  std::thread thread_;
};

// The addresses of --listen and --listen-tls. INVALID_ARGUMENT names the option.
absl::StatusOr<std::vector<Listener>> Listeners(const Flags& flags, const TlsContext* tls) {
  std::vector<Listener> listeners;
  const auto add = [&](const char* option, const std::string& text, const TlsContext* context) {
    absl::StatusOr<ListenAddress> address = ListenAddress::Parse(text);
    if (!address.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(option, ": ", std::string(address.status().message())));
    }
    listeners.push_back({*std::move(address), context});
    return absl::OkStatus();
  };
  for (const std::string& text : flags.listen) {
    if (absl::Status status = add("--listen", text, nullptr); !status.ok()) return status;
  }
  for (const std::string& text : flags.listen_tls) {
    if (absl::Status status = add("--listen-tls", text, tls); !status.ok()) return status;
  }
  if (listeners.empty()) return std::vector<Listener>{{.address = {"127.0.0.1", 7654, ""}}};
  return listeners;
}

// How many connections there may be. RESOURCE_EXHAUSTED: the limit of open files does not allow so
// many.
absl::StatusOr<size_t> MostConnections(const Flags& flags) {
  const uint64_t left = OpenFilesAllowed() - kOwnFiles;
  if (flags.max_connections <= left) {
    return flags.max_connections > 0 ? flags.max_connections : std::min(left, kMostConnections);
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("--max-connections ", flags.max_connections, " needs ",
                   flags.max_connections + kOwnFiles, " open files, and ", OpenFilesAllowed(),
                   " are allowed: raise the hard limit (LimitNOFILE= in a systemd unit)"));
}

int Run(const Flags& flags, DaemonLog* log) {
  std::optional<StopAtOnce> stop_at_once(log);
  std::unique_ptr<TlsContext> tls;
  if (!flags.listen_tls.empty()) {
    auto read = TlsContext::Create(flags.tls_cert, flags.tls_key);
    if (!read.ok()) {
      absl::FPrintF(stderr, "%s\n", std::string(read.status().message()));
      return kUsage;
    }
    tls = *std::move(read);
  }
  const absl::StatusOr<std::vector<Listener>> listeners = Listeners(flags, tls.get());
  const absl::StatusOr<size_t> connections = MostConnections(flags);
  for (const absl::Status& status : {listeners.status(), connections.status()}) {
    if (status.ok()) continue;
    absl::FPrintF(stderr, "%s\n", std::string(status.message()));
    return kUsage;
  }
  std::unique_ptr<PolicyArchive> archive;
  if (!flags.state.empty()) {
    auto opened = PolicyArchive::Open(absl::StrCat(flags.state, "/policies"));
    if (!opened.ok()) {
      spdlog::error("{}", std::string(opened.status().message()));
      return kFailed;
    }
    archive = *std::move(opened);
    if (const absl::Status writable = archive->writable(); !writable.ok()) {
      spdlog::error("{}: changes of the policy are refused; the last policy kept there decides",
                    std::string(writable.message()));
    }
  }
  PolicyStore policies(std::chrono::system_clock::now(), std::move(archive), SetDir(flags));
  if (!flags.policy.empty()) {
    if (const int status = ApplyFile(flags.policy, &policies); status != kOk) return status;
  }
  if (const absl::Status known = policies.AllKnown();
      !known.ok() && policies.Current()->version == 0) {
    spdlog::error("{}, and there is no other policy to begin with", std::string(known.message()));
    return kFailed;
  }
  const std::shared_ptr<const Policy> policy = policies.Current();
  spdlog::info("policy {}: {} rules from {}", policy->version, policy->rules->size(),
               policy->text.source());

  ServerOptions options;
  options.name = absl::StrCat("sluice-server@", HostName());
  options.incarnation = std::random_device()();
  options.decision_log = flags.decision_log;
  options.log_all = flags.log_all;
  options.log_rate = flags.log_rate;
  options.listen = *listeners;
  options.edge.limits.connections = *connections;
  options.edge.limits.connections_a_peer = std::max<size_t>(*connections / 2, 1);
  options.edge.allowed_origins = flags.allow_origin;
  options.edge.busy_poll = std::chrono::microseconds(flags.busy_poll_us);
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(options, &policies);
  if (!server.ok()) {
    spdlog::error("{}", std::string(server.status().message()));
    return kFailed;
  }
  for (size_t i = 0; i < listeners->size(); ++i) {
    const Listener& listener = (*listeners)[i];
    spdlog::info("listening on {}{}", listener.address.WithPort((*server)->ports()[i]),
                 listener.tls == nullptr ? "" : " with TLS");
  }
  stop_at_once.reset();
  spdlog::info("ready");

  const sigset_t signals = StopSignals();
  int signal_number = 0;
  while (sigwait(&signals, &signal_number) == 0 && signal_number == SIGHUP) {
    (*server)->ReopenLogs();
  }
  spdlog::info("stopping: {}", strsignal(signal_number));
  const ShutdownWatchdog watchdog(log);
  (*server)->Stop(std::chrono::milliseconds(500));
  server->reset();
  return kOk;
}

}  // namespace
}  // namespace sluice::server

int main(int argc, char** argv) {
  using namespace sluice::server;  // NOLINT: the names of this file itself.
  Flags flags;
  CLI::App app(
      "Decides which packets Sluice's gateways forward, and shows what happens there.\n"
      "Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not run, 2 bad usage or policy.",
      "sluice-server");
  app.add_option("--listen", flags.listen,
                 "Where to listen: IPV4:PORT, [IPV6]:PORT or unix:/PATH; may be given more "
                 "than once; port 0 picks one. Default: 127.0.0.1:7654, unless there is a "
                 "--listen-tls")
      ->allow_extra_args(false)
      ->type_name("ADDR");
  auto* const cert = app.add_option("--tls-cert", flags.tls_cert,
                                    "The certificate of --listen-tls, and its chain (PEM)")
                         ->type_name("FILE");
  auto* const key = app.add_option("--tls-key", flags.tls_key, "The key of --tls-cert (PEM)")
                        ->needs(cert)
                        ->type_name("FILE");
  app.add_option("--listen-tls", flags.listen_tls,
                 "Where to listen with TLS 1.2 or newer; may be given more than once")
      ->needs(cert)
      ->needs(key)
      ->allow_extra_args(false)
      ->type_name("ADDR");
  app.add_option("--max-connections", flags.max_connections,
                 "Connections there may be at once; one address may have half of them. Default: as "
                 "many as the limit of open files allows, at most 65536")
      ->check(CLI::Range(uint64_t{2}, uint64_t{1'000'000}))
      ->type_name("N");
  app.add_option("--allow-origin", flags.allow_origin,
                 "Pages of this origin (https://HOST[:PORT]) may call by gRPC-Web, besides those "
                 "of the host they call; may be given more than once")
      ->allow_extra_args(false)
      ->type_name("ORIGIN");
  app.add_option("--policy", flags.policy,
                 "The policy to begin with. Without it, the last one kept in --state; without "
                 "that, everything is rejected")
      ->type_name("FILE");
  app.add_option("--state", flags.state,
                 "The folder that keeps the versions of the policy. Without it they are in "
                 "memory and lost when the server ends")
      ->type_name("DIR");
  app.add_option("--set-dir", flags.set_dir,
                 "The folder in or below which set files (`set NAME from \"FILE\"`) are read; no "
                 "policy can have the server read others. Default: the folder of --policy; without "
                 "either, no set files are read")
      ->type_name("DIR");
  app.add_option("--decision-log", flags.decision_log,
                 "Where decisions of rules with `log` are written, a line each: a file, which "
                 "SIGHUP opens again, or `syslog`; may be given more than once. Default: stderr, "
                 "with all other log lines")
      ->allow_extra_args(false)
      ->type_name("FILE|syslog");
  app.add_flag("--log-all", flags.log_all, "Log all decisions, not only those of rules with `log`");
  app.add_option("--log-rate", flags.log_rate,
                 "Decisions of each gateway that are logged in a second; the rest are counted. "
                 "Default: 1000, or 50 to stderr")
      ->check(CLI::Range(1u, 1'000'000u))
      ->type_name("LINES");
  app.add_option("--busy-poll", flags.busy_poll_us,
                 "How long threads poll for more work before they sleep, in microseconds. Answers "
                 "come sooner, because no thread has to be woken, but it costs CPU time, and "
                 "connections are served by half as many threads")
      ->check(CLI::Range(0u, 10'000u))
      ->capture_default_str()
      ->type_name("US");
  app.add_option("--log-level", flags.log_level, "How much to log, to stderr")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str()
      ->type_name("LEVEL");
  app.footer(
      "Examples:\n"
      "  sluice-server --policy gateway.policy\n"
      "  sluice-server --listen 10.0.2.2:7654 --state /var/lib/sluice-server\n"
      "  sluice-server --state /var/lib/sluice-server --set-dir /etc/sluice/sets --decision-log "
      "/var/log/sluice/decisions.log\n"
      "SIGHUP opens the log of decisions again, and does nothing else.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  // Debian builds abseil without NDEBUG. To find deadlocks, abseil would then record each of gRPC's
  // locks in one graph, under one lock for all threads.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  BlockSignals();
  spdlog::set_level(spdlog::level::from_str(flags.log_level));
  sluice::DaemonLog log(STDERR_FILENO, "[%Y-%m-%d %H:%M:%S.%e] [%l] %v");
  sluice::TakeLibraryLogs();
  if (const absl::Status allowed = sluice::RaiseOpenFiles(kOpenFiles, "a server"); !allowed.ok()) {
    spdlog::error("{}", std::string(allowed.message()));
    return kUsage;
  }
  return Run(flags, &log);
}
