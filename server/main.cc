// sluice-server: decides for the gateways' agents and shows people what happens there.

#include <grpc/support/log.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "server/control/policy_archive.h"
#include "server/control/policy_store.h"
#include "server/listen_address.h"
#include "server/policy_problems.h"
#include "server/policy_text.h"
#include "server/server.h"

namespace sluice::server {
namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Flags {
  std::vector<std::string> listen = {"127.0.0.1:7654"};
  std::string policy;
  std::string state;
  std::vector<std::string> decision_log;
  bool log_all = false;
  uint32_t log_rate = 0;
  uint32_t busy_poll_us = 0;
  std::string log_level = "info";
};

// gRPC's own log, into ours.
void LogGrpc(gpr_log_func_args* args) {
  const auto level = args->severity == GPR_LOG_SEVERITY_ERROR  ? spdlog::level::warn
                     : args->severity == GPR_LOG_SEVERITY_INFO ? spdlog::level::info
                                                               : spdlog::level::debug;
  spdlog::log(level, "grpc: {}", args->message);
}

void StartLog(const std::string& level) {
  // Written by a thread of its own: a reader of our stderr who falls asleep must not hold up
  // packets. What does not fit is lost, oldest first.
  spdlog::init_thread_pool(8192, 1);
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  auto logger = std::make_shared<spdlog::async_logger>(
      "", sink, spdlog::thread_pool(), spdlog::async_overflow_policy::overrun_oldest);
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
  gpr_set_log_function(LogGrpc);
}

// Whether the policy now says the same already, from the last time.
bool InForce(const v1::PolicyText& text, const Policy& now) {
  v1::PolicyText other = now.text;
  other.set_source(text.source());
  return now.version != 0 && other.SerializeAsString() == text.SerializeAsString();
}

// Applies the policy in `path` unless it is in force; prints what is wrong with it.
bool ApplyFile(const std::string& path, PolicyStore* policies) {
  std::vector<std::string> unreadable;
  const absl::StatusOr<v1::PolicyText> text = LoadPolicy(path, &unreadable);
  if (!text.ok()) {
    absl::FPrintF(stderr, "%s\n", std::string(text.status().message()));
    return false;
  }
  for (const std::string& line : unreadable) absl::FPrintF(stderr, "%s\n", line);
  if (InForce(*text, *policies->Current())) return true;
  const PolicyStore::Applied applied = policies->Apply(*text, std::chrono::system_clock::now(),
                                                       {.author = "sluice-server --policy"});
  for (const v1::PolicyProblem& problem : applied.problems) {
    absl::FPrintF(stderr, "%s", FormatProblem(*text, problem, ""));
  }
  for (const v1::PolicyProblem& warning : applied.warnings) {
    absl::FPrintF(stderr, "%s", FormatProblem(*text, warning, "warning: "));
  }
  if (applied.problems.empty() && !applied.status.ok()) {
    absl::FPrintF(stderr, "%s: %s\n", path, std::string(applied.status.message()));
  }
  return applied.current != nullptr;
}

// A name that others accept as a gateway's (HOST_NAME_MAX is 64).
std::string HostName() {
  char name[65] = "";
  if (gethostname(name, sizeof(name) - 1) != 0) return "unknown";
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

// Before any thread is made, so that only Run takes them.
void BlockSignals() {
  signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

// An agent has three connections, and what a login shell allows (1,024 open files) would be a few
// hundred agents. What a unit or an operator set as the hard limit holds.
void RaiseOpenFiles() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Leaves with success if stopping takes longer than a second in all: a policy whose names take
// their time to resolve, for one, holds up its thread.
class Impatience final {
 public:
  Impatience() : thread_([this] { Run(); }) {}
  ~Impatience() {
    done_.set_value();
    thread_.join();
  }

 private:
  void Run() {
    if (done_.get_future().wait_for(std::chrono::milliseconds(900)) == std::future_status::ready) {
      return;
    }
    spdlog::warn("some calls would not end; leaving without them");
    spdlog::shutdown();
    std::_Exit(kOk);
  }

  std::promise<void> done_;
  std::thread thread_;
};

int Run(const Flags& flags) {
  std::vector<ListenAddress> addresses;
  for (const std::string& text : flags.listen) {
    absl::StatusOr<ListenAddress> address = ListenAddress::Parse(text);
    if (!address.ok()) {
      absl::FPrintF(stderr, "--listen: %s\n", std::string(address.status().message()));
      return kUsage;
    }
    addresses.push_back(*std::move(address));
  }
  std::unique_ptr<PolicyArchive> archive;
  if (!flags.state.empty()) {
    auto opened = PolicyArchive::Open(absl::StrCat(flags.state, "/policies"));
    if (!opened.ok()) {
      spdlog::error("{}", std::string(opened.status().message()));
      return kFailed;
    }
    archive = *std::move(opened);
  }
  PolicyStore policies(std::chrono::system_clock::now(), std::move(archive));
  if (!flags.policy.empty() && !ApplyFile(flags.policy, &policies)) return kUsage;
  const std::shared_ptr<const Policy> policy = policies.Current();
  spdlog::info("policy {}: {} rules from {}", policy->version, policy->rules->size(),
               Shown(policy->text.source()));

  ServerOptions options;
  options.name = absl::StrCat("sluice-server@", HostName());
  options.run = std::random_device()();
  options.decision_log = flags.decision_log;
  options.log_all = flags.log_all;
  options.log_rate = flags.log_rate;
  options.busy_poll = std::chrono::microseconds(flags.busy_poll_us);
  for (const ListenAddress& address : addresses) {
    if (const absl::Status free = CheckFree(address); !free.ok()) {
      spdlog::error("{}", std::string(free.message()));
      return kFailed;
    }
    options.listen.push_back(address.Target());
  }
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(options, &policies);
  if (!server.ok()) {
    spdlog::error("{}", std::string(server.status().message()));
    return kFailed;
  }
  for (size_t i = 0; i < addresses.size(); ++i) {
    spdlog::info("listening on {}", addresses[i].WithPort((*server)->ports()[i]));
  }
  spdlog::info("ready");

  const sigset_t signals = StopSignals();
  int signal_number = 0;
  while (sigwait(&signals, &signal_number) == 0 && signal_number == SIGHUP) {
    (*server)->ReopenLogs();
  }
  spdlog::info("stopping: {}", strsignal(signal_number));
  const Impatience impatience;
  (*server)->Stop(std::chrono::milliseconds(500));
  server->reset();
  return kOk;
}

}  // namespace
}  // namespace sluice::server

int main(int argc, char** argv) {
  using namespace sluice::server;  // NOLINT: of this file's own.
  Flags flags;
  CLI::App app(
      "Decides for Sluice's gateways what they forward, and shows what happens there.\n"
      "Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not run, 2 bad usage or policy.",
      "sluice-server");
  app.add_option("--listen", flags.listen,
                 "Where to listen: IPV4:PORT, [IPV6]:PORT or unix:/PATH; may be given again; "
                 "port 0 picks one")
      ->capture_default_str()
      ->allow_extra_args(false)
      ->type_name("ADDR");
  app.add_option("--policy", flags.policy,
                 "The policy to begin with; else the last one kept in --state, else everything "
                 "is rejected")
      ->type_name("FILE");
  app.add_option("--state", flags.state,
                 "Where the versions of the policy are kept; without one they are in memory and "
                 "go with the server")
      ->type_name("DIR");
  app.add_option("--decision-log", flags.decision_log,
                 "Where decisions of rules with `log` go, a line each: a file, which SIGHUP has "
                 "opened again, or `syslog`; may be given again; else to stderr with the rest")
      ->allow_extra_args(false)
      ->type_name("FILE|syslog");
  app.add_flag("--log-all", flags.log_all, "Log all decisions, not only those of rules with `log`");
  app.add_option("--log-rate", flags.log_rate,
                 "Lines a second of each gateway that are logged, the rest being counted; 1000 if "
                 "not said, to stderr 50")
      ->check(CLI::Range(1u, 1'000'000u))
      ->type_name("LINES");
  app.add_option("--busy-poll", flags.busy_poll_us,
                 "How long its threads look for more, over and over, before they sleep, in "
                 "microseconds: answers come sooner by what it takes to wake a thread, at the "
                 "price of processors")
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
      "  sluice-server --state /var/lib/sluice-server --decision-log "
      "/var/log/sluice/decisions.log\n"
      "SIGHUP opens the log of decisions again, and does nothing else.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  // Debian builds abseil without NDEBUG: to find deadlocks, each of gRPC's locks would be entered
  // into one graph, behind one lock for all threads.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  BlockSignals();
  RaiseOpenFiles();
  StartLog(flags.log_level);
  const int status = Run(flags);
  spdlog::shutdown();
  return status;
}
