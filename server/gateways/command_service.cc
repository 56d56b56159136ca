#include "server/gateways/command_service.h"

#include <google/protobuf/util/time_util.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "proto/text/text.h"
#include "server/calls/peer_key.h"
#include "server/streams/conversation.h"

namespace sluice::server {
namespace {

// Unanswered commands per gateway. Callers are people and their tools, so there are few.
constexpr size_t kMaxPending = 256;
// What the replies of lists take until their callers have read them, in all. A remembered verdict
// takes a hundred bytes at most. A gateway's share, a quarter, holds 600,000. Callers who do not
// read hold the gateway's share for as long as they are borne: nobody can list that gateway
// meanwhile, and all else goes on.
constexpr size_t kMostListBytes = 256 << 20;
// Replies to a list that a gateway may send before we have taken the earlier ones (400 kB each).
// Enough that the gateway need not wait for us on a link with a long round trip.
constexpr uint32_t kListCredit = 4;
// Heartbeats that may wait to be echoed: three seconds' worth.
constexpr size_t kMaxHeartbeats = 16;

// One Serve stream.
class ServeStream final : public Conversation<v1::ServeRequest, v1::ServeResponse>,
                          public CommandStream {
 public:
  ServeStream(std::shared_ptr<Call> call, Registry* registry, Places* list_bytes, Ticker* ticker)
      : Conversation(std::move(call), ticker), registry_(registry), list_bytes_(list_bytes) {}

  void End(const absl::Status& why) override { Conversation::End(why); }

  absl::Status Send(v1::Command command, std::chrono::steady_clock::time_point deadline,
                    Done& done) override {
    MutexLock lock(mutex_);
    if (ended()) return absl::UnavailableError(gateway_ + " has just disconnected");
    if (pending_.size() >= kMaxPending || commands_.size() >= kMaxPending) {
      return absl::ResourceExhaustedError(
          absl::StrCat(gateway_, " owes ", kMaxPending, " answers already"));
    }
    command.set_id(++last_id_);
    if (command.has_list_remembered()) command.mutable_list_remembered()->set_credit(kListCredit);
    pending_.emplace(last_id_, Pending{deadline, std::move(done), command.has_list_remembered()});
    commands_.push_back(std::move(command));
    WriteLocked();
    return absl::OkStatus();
  }

 private:
  struct Pending {
    std::chrono::steady_clock::time_point deadline;
    Done done;
    bool listing;                                // It may be answered in several replies.
    std::vector<GatewayAnswer::Part> list = {};  // What has arrived.
  };

  ~ServeStream() override = default;

  absl::Status Take(const v1::ServeRequest& request) override {
    if (gateway_.empty() != request.has_hello()) {
      return absl::InvalidArgumentError(
          gateway_.empty() ? "the first message of a Serve stream must be the hello"
                           : "a second hello on a Serve stream");
    }
    switch (request.message_case()) {
      case v1::ServeRequest::kHello:
        return TakeHello(request.hello());
      case v1::ServeRequest::kReply:
        TakeReply(request.reply());
        return absl::OkStatus();
      case v1::ServeRequest::kHeartbeat: {
        registry_->Heard(gateway_, std::chrono::system_clock::now());
        MutexLock lock(mutex_);
        heartbeats_.push_back(request.heartbeat());
        return absl::OkStatus();
      }
      case v1::ServeRequest::MESSAGE_NOT_SET:
        break;
    }
    // A kind of message that only a newer agent sends.
    return absl::OkStatus();
  }

  absl::Status TakeHello(const v1::ServeHello& hello) {
    {
      // Set before others can find this stream in the registry.
      MutexLock lock(mutex_);
      welcome_due_ = true;
      gateway_ = hello.agent().gateway();
    }
    const absl::Status joined = registry_->JoinServe(hello, PeerAddress(call().peer()),
                                                     std::chrono::system_clock::now(), this);
    joined_ = joined.ok();
    if (!joined_) {
      MutexLock lock(mutex_);
      welcome_due_ = false;
    }
    return joined;
  }

  void TakeReply(const v1::CommandReply& reply) {
    if (reply.has_set_mode()) registry_->RecordMode(gateway_, reply.set_mode().current());
    if (reply.has_stats()) registry_->RecordMode(gateway_, reply.stats().mode());
    Done done;
    GatewayAnswer answer;
    absl::Status status;
    {
      MutexLock lock(mutex_);
      const auto found = pending_.find(reply.id());
      // The reply comes too late, or nobody asked for it.
      if (found == pending_.end()) return;
      Pending& pending = found->second;
      if (pending.listing && reply.has_remembered()) {
        status = KeepPart(reply.remembered(), pending);
        if (status.ok() && !reply.last()) {
          ++credits_[reply.id()];
          return;
        }
      }
      done = std::move(pending.done);
      answer.list = std::move(pending.list);
      pending_.erase(found);
    }
    if (!status.ok()) return done(status, GatewayAnswer());
    if (reply.has_error()) status = ToStatus(reply.error());
    if (reply.has_remembered()) {
      answer.reply.mutable_remembered();
    } else {
      answer.reply = reply;
    }
    done(status, std::move(answer));
  }

  absl::Status KeepPart(const v1::RememberedVerdicts& verdicts, Pending& pending)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::string part = verdicts.SerializeAsString();
    if (part.empty()) return absl::OkStatus();
    absl::StatusOr<Places::Place> room =
        list_bytes_->Take(PeerKey(call().peer()), part.size() + sizeof(GatewayAnswer::Part));
    if (!room.ok()) {
      return absl::ResourceExhaustedError(
          absl::StrCat("lists that this server has from ", gateway_, " take ",
                       kMostListBytes / 4 >> 20, " MiB already, or those from all gateways ",
                       kMostListBytes >> 20, "; ask for less, or later"));
    }
    pending.list.push_back({std::move(part), *std::move(room)});
    return absl::OkStatus();
  }

  bool StartNext() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return StartWriteIf(Next()); }

  // The next message to write, null if there is none.
  const v1::ServeResponse* Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    response_.Clear();
    if (welcome_due_) {
      welcome_due_ = false;
      response_.mutable_welcome();
    } else if (!heartbeats_.empty()) {
      *response_.mutable_heartbeat() = heartbeats_.front();
      heartbeats_.pop_front();
    } else if (!TakeCommand() && !TakeCredit()) {
      return nullptr;
    }
    return &response_;
  }

  // Fills in credit for the next list that may go on. Lists that nobody waits for any more get
  // none.
  bool TakeCredit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!credits_.empty()) {
      const auto [id, replies] = *credits_.begin();
      credits_.erase(credits_.begin());
      if (!pending_.contains(id)) continue;
      response_.mutable_credit()->set_id(id);
      response_.mutable_credit()->set_replies(replies);
      return true;
    }
    return false;
  }

  // Fills in the next command that somebody still waits for.
  bool TakeCommand() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (; !commands_.empty(); commands_.pop_front()) {
      const auto pending = pending_.find(commands_.front().id());
      if (pending == pending_.end()) continue;
      const auto left = pending->second.deadline - std::chrono::steady_clock::now();
      if (left <= left.zero()) continue;  // The next tick fails it.
      v1::Command& command = *response_.mutable_command();
      command = std::move(commands_.front());
      *command.mutable_time_left() = google::protobuf::util::TimeUtil::NanosecondsToDuration(
          std::chrono::nanoseconds(left).count());
      commands_.pop_front();
      return true;
    }
    return false;
  }

  bool Full() const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return heartbeats_.size() >= kMaxHeartbeats;
  }

  void Ticking(Time now) override {
    Fail(absl::DeadlineExceededError("the gateway did not answer in time"),
         [now](const Pending& pending) { return pending.deadline <= now; });
  }

  void Leave() override {
    if (joined_) registry_->LeaveServe(gateway_, this, std::chrono::system_clock::now());
    Fail(absl::UnavailableError(
             "the gateway's connection broke before it answered; it may have carried "
             "out what was asked"),
         [](const Pending&) { return true; });
  }

  // Fails the pending commands that `which` picks.
  template <typename Which>
  void Fail(const absl::Status& why, Which which) {
    std::vector<Done> failed;
    {
      MutexLock lock(mutex_);
      for (auto pending = pending_.begin(); pending != pending_.end();) {
        const auto here = pending++;
        if (!which(here->second)) continue;
        failed.push_back(std::move(here->second.done));
        pending_.erase(here);
      }
    }
    for (const Done& done : failed) done(why, GatewayAnswer());
  }

  Registry* const registry_;  // Not owned.
  Places* const list_bytes_;  // Not owned.
  bool joined_ = false;       // Set by the hello; read in Leave, when no message is being taken.
  std::string gateway_;       // Set by the hello, before the stream joins.

  bool welcome_due_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<v1::Command> commands_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, uint32_t> credits_ ABSL_GUARDED_BY(mutex_);  // Credits due, by id.
  std::deque<v1::Heartbeat> heartbeats_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, Pending> pending_ ABSL_GUARDED_BY(mutex_);
  v1::ServeResponse response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

CommandServiceImpl::CommandServiceImpl(Registry* registry, Ticker* ticker)
    : registry_(registry), ticker_(ticker), list_bytes_("bytes of lists", kMostListBytes) {}

void CommandServiceImpl::AddTo(Methods* methods) {
  methods->AddBidi<v1::ServeRequest, v1::ServeResponse>(
      "sluice.v1.CommandService", "Serve", Lane::kPackets, [this](std::shared_ptr<Call> call) {
        // Deletes itself.
        auto* stream = new ServeStream(std::move(call), registry_, &list_bytes_, ticker_);
        stream->Begin();
      });
}

absl::Status ToStatus(const v1::CommandError& error) {
  // google.rpc.Code has 1 to 16. Other values become UNKNOWN: a failure must not turn into a
  // success.
  const bool known = error.code() >= 1 && error.code() <= 16;
  const auto code =
      known ? static_cast<absl::StatusCode>(error.code()) : absl::StatusCode::kUnknown;
  // A status travels in HTTP/2 headers, of which gRPC takes 8 KiB by default. The message is in
  // them twice: percent-encoded (up to three bytes for one) and in the base64 details (four for
  // three).
  constexpr size_t kMostText = 1024;
  absl::Status status(code, std::string(Beginning(error.message(), kMostText)));
  if (error.has_system() && error.system().ByteSizeLong() <= kMostText) {
    status.SetPayload("type.googleapis.com/sluice.v1.SystemError",
                      absl::Cord(error.system().SerializeAsString()));
  }
  return status;
}

}  // namespace sluice::server
