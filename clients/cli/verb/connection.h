#pragma once

#include <absl/status/status.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "sluice/v1/control.grpc.pb.h"
#include "sluice/v1/observe.grpc.pb.h"

namespace sluice::cli {

// The connection to one server. Owned by the run; used by one thread. Sends nothing before
// Connect().
class Connection final {
 public:
  // `server` as given to --server.
  explicit Connection(std::string server);

  // Waits until the server is there, or says why it cannot be reached.
  absl::Status Connect(std::chrono::milliseconds patience = std::chrono::seconds(5));

  v1::ControlService::Stub& control() { return *control_; }
  v1::ObserveService::Stub& observe() { return *observe_; }
  const std::string& server() const { return server_; }

  // Turns what a call ended with into words that say what to do; `gateway` is the one that the call
  // was about, if any. May ask the server for the gateways it knows.
  absl::Status Explain(const grpc::Status& status, std::string_view gateway = {});

 private:
  absl::Status Unreachable(const std::string& why) const;
  std::string KnownGateways();

  const std::string server_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::ControlService::Stub> control_;
  const std::unique_ptr<v1::ObserveService::Stub> observe_;
};

// A context whose call fails with DEADLINE_EXCEEDED after ten seconds.
class ShortCall final : public grpc::ClientContext {
 public:
  ShortCall() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10)); }
};

// A context whose call fails with DEADLINE_EXCEEDED after two minutes: compiling a policy of a
// million rules takes a while, and so does sending it.
class PolicyCall final : public grpc::ClientContext {
 public:
  PolicyCall() { set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2)); }
};

// A context whose call goes on until `stop`, then fails with CANCELLED.
class LongCall final : public grpc::ClientContext {
 public:
  explicit LongCall(std::stop_token stop) : canceller_(std::move(stop), Canceller{this}) {}

 private:
  struct Canceller {
    grpc::ClientContext* context;
    void operator()() const { context->TryCancel(); }
  };
  std::stop_callback<Canceller> canceller_;
};

}  // namespace sluice::cli
