#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "clients/loadgen/client_stream.h"
#include "sluice/v1/command.grpc.pb.h"
#include "sluice/v1/event.grpc.pb.h"

namespace sluice::loadgen {

struct ReportTraits {
  using Request = v1::ReportRequest;
  using Response = v1::ReportResponse;
  static constexpr bool kRequired = false;
  static auto Prepare(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext* context,
                      grpc::CompletionQueue* queue) {
    return v1::EventService::NewStub(channel)->PrepareAsyncReport(context, queue);
  }
};

// The stream on which a simulated agent reports. Nothing happens on its gateway: it reports an
// empty table of connections once, and its counters every second.
class ReportStream final : public ClientStream<ReportTraits> {
 public:
  ReportStream(const v1::AgentIdentity& agent, const std::string& server,
               grpc::CompletionQueue* queue, StreamOwner* owner)
      : ClientStream(server, queue, owner), agent_(agent) {}

 private:
  void FillHello(v1::ReportRequest& request) override;
  void OnMessage(const v1::ReportResponse&, int64_t) override {}
  void OnTick(int64_t now_ns) override;
  void WriteMore(int64_t now_ns) override;

  const v1::AgentIdentity& agent_;
  bool table_reported_ = false;
  int64_t stats_due_ns_ = 0;
};

struct ServeTraits {
  using Request = v1::ServeRequest;
  using Response = v1::ServeResponse;
  static constexpr bool kRequired = false;
  static auto Prepare(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext* context,
                      grpc::CompletionQueue* queue) {
    return v1::CommandService::NewStub(channel)->PrepareAsyncServe(context, queue);
  }
};

// The stream on which a simulated agent takes commands. It carries out none, and says so.
class ServeStream final : public ClientStream<ServeTraits> {
 public:
  ServeStream(const v1::AgentIdentity& agent, const std::string& server,
              grpc::CompletionQueue* queue, StreamOwner* owner)
      : ClientStream(server, queue, owner), agent_(agent) {}

 private:
  void FillHello(v1::ServeRequest& request) override;
  void OnMessage(const v1::ServeResponse& response, int64_t now_ns) override;
  void OnTick(int64_t) override {}
  void WriteMore(int64_t now_ns) override;

  const v1::AgentIdentity& agent_;
  std::deque<uint64_t> commands_;  // Not answered yet. The server limits how many are under way.
};

}  // namespace sluice::loadgen
