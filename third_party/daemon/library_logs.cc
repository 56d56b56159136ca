#include "third_party/daemon/library_logs.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <string>

#include "proto/text/text.h"
#include "third_party/daemon/log_rate_limiter.h"

namespace sluice {
namespace {

constexpr uint32_t kLines = 20;
constexpr std::chrono::seconds kEach{10};

void Log(const char* library, bool error, const std::string& text) {
  static auto* const limit = new LogRateLimiter(kLines, kEach);  // gRPC's threads end after main.
  const auto level = error ? spdlog::level::warn : spdlog::level::debug;
  if (!spdlog::should_log(level)) return;
  if (const auto left_out = limit->Allow(std::chrono::steady_clock::now())) {
    spdlog::log(level, "{}: {}{}", library, OneLine(text, 512), *left_out);
  }
}

void LogGrpc(gpr_log_func_args* args) {
  Log("grpc", args->severity == GPR_LOG_SEVERITY_ERROR, args->message);
}

void LogProtobuf(google::protobuf::LogLevel level, const char*, int, const std::string& message) {
  Log("protobuf", level >= google::protobuf::LOGLEVEL_ERROR, message);
}

}  // namespace

void TakeLibraryLogs() {
  gpr_set_log_function(LogGrpc);
  google::protobuf::SetLogHandler(LogProtobuf);
}

}  // namespace sluice
