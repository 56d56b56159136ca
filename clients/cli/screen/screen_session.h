#pragma once

#include <absl/status/status.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "clients/cli/format/table.h"
#include "clients/cli/screen/screen_command.h"
#include "clients/cli/verb/connection.h"
#include "clients/cli/verb/context.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::cli {

// A Screen call: prints the packets of a gateway as they come and sends decisions on them. One
// thread reads the stream and one sends heartbeats; a single thread of the caller decides. Owned by
// the verb.
class ScreenSession final {
 public:
  // Holds every packet for `hold` as it comes, if that is more than 0. Calls `ended` once, on any
  // thread, when the server has ended the call or is silent.
  ScreenSession(Connection& connection, Context& context, std::string gateway,
                google::protobuf::Duration hold, std::function<void()> ended);
  // Close must have been called.
  ~ScreenSession() = default;

  // Waits for the welcome; false if the call ended without one.
  bool AwaitWelcome();
  // Sends the decision; if its packet has not come yet, waits for it. False if the call has ended
  // or Stop was called.
  bool Decide(const ScreenCommand& command);
  // Ends all waiting. Any thread.
  void Stop();
  // Leaves the gateway to the policy again, and returns how the call ended.
  absl::Status Close();

 private:
  using Clock = std::chrono::steady_clock;
  struct Decided {
    uint64_t number;
    uint64_t transaction_id;
  };

  void Read();
  void Beat();
  // Waits until the next heartbeat is due. False: the stream has ended, or this ended it because
  // the server is silent.
  bool AwaitBeat();
  void Take(const v1::ScreenResponse& response);
  void TakePackets(const v1::PacketBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(uint64_t transaction_id, const std::string& why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NotCarriedOut(const v1::VerdictErrors::Entry& error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remark(uint64_t number, const std::string& text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The undecided packets that the command means: transaction ids by number.
  std::map<uint64_t, uint64_t> Chosen(const ScreenCommand& command) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MarkDecided(uint64_t number, uint64_t transaction_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::ScreenRequest Holds(const v1::PacketBatch& batch) const;
  void Send(const v1::ScreenRequest& request);

  Connection& connection_;
  Context& context_;
  const std::string gateway_;
  const google::protobuf::Duration hold_;
  const std::function<void()> ended_;
  grpc::ClientContext call_;
  const std::shared_ptr<grpc::ClientReaderWriter<v1::ScreenRequest, v1::ScreenResponse>> stream_;

  // gRPC takes one write at a time, and none after WritesDone. Not taken with mutex_ held.
  Mutex write_mutex_;
  bool closed_ ABSL_GUARDED_BY(write_mutex_) = false;

  Mutex mutex_;
  std::condition_variable changed_;
  Table table_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, uint64_t> undecided_ ABSL_GUARDED_BY(mutex_);  // transaction ids by number
  std::map<uint64_t, uint64_t> numbers_ ABSL_GUARDED_BY(mutex_);    // numbers by transaction id
  std::deque<Decided> decided_ ABSL_GUARDED_BY(mutex_);             // the last kMostDecided
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  Clock::time_point heard_ ABSL_GUARDED_BY(mutex_) = Clock::now();
  bool welcomed_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;  // The stream has been read to its end.
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool silent_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread reader_;
  std::thread beater_;
};

}  // namespace sluice::cli
