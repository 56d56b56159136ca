#include "clients/loadgen/quiet_streams.h"

#include <google/protobuf/util/time_util.h>

#include <chrono>

namespace sluice::loadgen {
namespace {

void SetNow(google::protobuf::Timestamp* time) {
  *time = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
}

}  // namespace

void ReportStream::FillHello(v1::ReportRequest& request) {
  *request.mutable_hello()->mutable_agent() = agent_;
}

void ReportStream::OnTick(int64_t now_ns) {
  if (stats_due_ns_ == 0) stats_due_ns_ = now_ns;
}

void ReportStream::WriteMore(int64_t now_ns) {
  v1::ReportRequest request;
  if (!table_reported_) {
    table_reported_ = true;
    v1::EventBatch& events = *request.mutable_events();
    events.set_batch(1);
    v1::Event& gap = *events.add_events();
    SetNow(gap.mutable_time());
    gap.mutable_gap()->set_cause(v1::GAP_CAUSE_STREAM_START);
    v1::Event& done = *events.add_events();
    SetNow(done.mutable_time());
    done.mutable_resync_done();
    Write(request);
  } else if (stats_due_ns_ != 0 && now_ns >= stats_due_ns_) {
    stats_due_ns_ += kStatsInterval;
    v1::GatewayStats& stats = *request.mutable_stats();
    stats.set_gateway(agent_.gateway());
    stats.set_mode(v1::MODE_ON);
    SetNow(stats.mutable_time());
    v1::QueueStats& queue = *stats.add_queues();
    queue.set_decider_connected(true);
    queue.set_decider_connects(1);
    Write(request);
  }
}

void ServeStream::FillHello(v1::ServeRequest& request) {
  v1::ServeHello& hello = *request.mutable_hello();
  *hello.mutable_agent() = agent_;
  hello.set_mode(v1::MODE_ON);
  hello.add_queues(0);
}

void ServeStream::OnMessage(const v1::ServeResponse& response, int64_t now_ns) {
  if (!response.has_command()) return;
  commands_.push_back(response.command().id());
  WriteNext(now_ns);
}

void ServeStream::WriteMore(int64_t) {
  if (commands_.empty()) return;
  v1::ServeRequest request;
  v1::CommandReply& reply = *request.mutable_reply();
  reply.set_id(commands_.front());
  commands_.pop_front();
  reply.set_last(true);
  reply.mutable_error()->set_code(grpc::StatusCode::UNIMPLEMENTED);
  reply.mutable_error()->set_message("this gateway is simulated by sluice-loadgen");
  Write(request);
}

}  // namespace sluice::loadgen
