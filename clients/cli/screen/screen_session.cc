#include "clients/cli/screen/screen_session.h"

#include <absl/strings/str_cat.h>

#include <utility>
#include <vector>

#include "clients/cli/format/observe_rows.h"
#include "clients/cli/format/text.h"
#include "clients/cli/format/words.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

// Both are fixed by the protocol.
constexpr std::chrono::milliseconds kBeat{200};
constexpr std::chrono::milliseconds kSilence{600};
// How many decided packets are kept, in case the gateway reports an error about one.
constexpr size_t kMostDecided = 1024;

using Which = ScreenCommand::Which;

std::string Words(const v1::Verdict& verdict) {
  std::string words = ActionWord(verdict.action());
  if (verdict.notify() != v1::NOTIFY_UNSPECIFIED) {
    absl::StrAppend(&words, "+", NotifyWord(verdict.notify()));
  }
  return words;
}

}  // namespace

ScreenSession::ScreenSession(Connection& connection, Context& context, std::string gateway,
                             google::protobuf::Duration hold, std::function<void()> ended)
    : connection_(connection),
      context_(context),
      gateway_(std::move(gateway)),
      hold_(std::move(hold)),
      ended_(std::move(ended)),
      stream_(connection.control().Screen(&call_)),
      table_(PacketColumns(), context.out, context.color, /*held=*/0) {
  v1::ScreenRequest hello;
  hello.mutable_hello()->set_gateway(gateway_);
  Send(hello);
  reader_ = std::thread([this] { Read(); });
  beater_ = std::thread([this] { Beat(); });
}

bool ScreenSession::AwaitWelcome() {
  MutexLock lock(mutex_);
  lock.Wait(changed_,
            [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return welcomed_ || over_ || stopped_; });
  return welcomed_ && !over_ && !stopped_;
}

bool ScreenSession::Decide(const ScreenCommand& command) {
  v1::ScreenRequest request;
  {
    MutexLock lock(mutex_);
    lock.Wait(changed_, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      const bool passed = command.which == Which::kNumber && command.number <= last_number_;
      return passed || !Chosen(command).empty() || over_ || stopped_;
    });
    if (over_ || stopped_) return false;
    const std::map<uint64_t, uint64_t> chosen = Chosen(command);
    if (chosen.empty()) {
      table_.Line(absl::StrCat("-- ", command.number, ": no longer undecided --"));
    }
    for (const auto& [number, id] : chosen) {
      v1::Verdict* verdict = request.mutable_verdicts()->add_verdicts();
      *verdict = command.verdict;
      verdict->set_transaction_id(id);
      table_.Line({absl::StrCat("-- ", number, ": ", Words(command.verdict), " --"), Color::kDim});
      if (command.verdict.action() != v1::ACTION_HOLD) MarkDecided(number, id);
    }
    context_.out->flush();
  }
  // Without the lock: a server that does not read must not stop us from reading.
  if (request.has_verdicts()) Send(request);
  return true;
}

std::map<uint64_t, uint64_t> ScreenSession::Chosen(const ScreenCommand& command) const {
  if (undecided_.empty() || command.which == Which::kAll) return undecided_;
  const auto found =
      command.which == Which::kOldest ? undecided_.begin() : undecided_.find(command.number);
  if (found == undecided_.end()) return {};
  return {*found};
}

void ScreenSession::MarkDecided(uint64_t number, uint64_t transaction_id) {
  undecided_.erase(number);
  numbers_.erase(transaction_id);
  decided_.push_back({number, transaction_id});
  if (decided_.size() > kMostDecided) decided_.pop_front();
}

void ScreenSession::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

absl::Status ScreenSession::Close() {
  {
    MutexLock lock(write_mutex_);
    closed_ = true;
    stream_->WritesDone();
  }
  reader_.join();
  beater_.join();
  const grpc::Status status = stream_->Finish();
  MutexLock lock(mutex_);
  if (silent_) {
    return absl::UnavailableError(absl::StrCat("lost the server at ", connection_.server(),
                                               ": it was silent for ", kSilence.count(), " ms"));
  }
  return connection_.Explain(status, gateway_);
}

void ScreenSession::Read() {
  v1::ScreenResponse response;
  while (stream_->Read(&response)) Take(response);
  {
    MutexLock lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }
  ended_();
}

void ScreenSession::Beat() {
  v1::ScreenRequest beat;
  while (AwaitBeat()) {
    beat.mutable_heartbeat()->set_sequence(beat.heartbeat().sequence() + 1);
    Send(beat);
  }
}

bool ScreenSession::AwaitBeat() {
  MutexLock lock(mutex_);
  if (lock.WaitFor(changed_, kBeat, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return over_; })) {
    return false;
  }
  silent_ = Clock::now() - heard_ > kSilence;
  if (silent_) call_.TryCancel();
  return !silent_;
}

void ScreenSession::Take(const v1::ScreenResponse& response) {
  const v1::ScreenRequest holds =
      response.has_packets() ? Holds(response.packets()) : v1::ScreenRequest();
  if (holds.has_verdicts()) Send(holds);
  MutexLock lock(mutex_);
  heard_ = Clock::now();
  switch (response.message_case()) {
    case v1::ScreenResponse::kWelcome:
      welcomed_ = true;
      table_.Flush();
      break;
    case v1::ScreenResponse::kPackets:
      TakePackets(response.packets());
      break;
    case v1::ScreenResponse::kGone:
      for (const uint64_t id : response.gone().transaction_ids()) {
        Forget(id, "gone, its time ran out");
      }
      break;
    case v1::ScreenResponse::kErrors:
      for (const auto& entry : response.errors().entries()) NotCarriedOut(entry);
      break;
    default:
      return;
  }
  context_.out->flush();
  changed_.notify_all();
}

v1::ScreenRequest ScreenSession::Holds(const v1::PacketBatch& batch) const {
  v1::ScreenRequest holds;
  if (hold_.seconds() == 0 && hold_.nanos() == 0) return holds;
  for (const v1::Packet& packet : batch.packets()) {
    v1::Verdict* hold = holds.mutable_verdicts()->add_verdicts();
    hold->set_transaction_id(packet.transaction_id());
    hold->set_action(v1::ACTION_HOLD);
    *hold->mutable_hold_for() = hold_;
  }
  return holds;
}

void ScreenSession::TakePackets(const v1::PacketBatch& batch) {
  for (const v1::Packet& packet : batch.packets()) {
    const uint64_t id = packet.transaction_id();
    if (numbers_.count(id) > 0) continue;  // Presented again by its gateway.
    numbers_[id] = ++last_number_;
    undecided_[last_number_] = id;
    table_.Row(PacketRow(last_number_, packet));
  }
}

void ScreenSession::Forget(uint64_t transaction_id, const std::string& why) {
  const auto known = numbers_.find(transaction_id);
  if (known == numbers_.end()) return;
  Remark(known->second, why);
  undecided_.erase(known->second);
  numbers_.erase(known);
}

void ScreenSession::NotCarriedOut(const v1::VerdictErrors::Entry& error) {
  const std::string why = absl::StrCat("could not be carried out: ", OneLine(error.text()));
  for (const Decided& decided : decided_) {
    if (decided.transaction_id == error.transaction_id()) Remark(decided.number, why);
  }
  Forget(error.transaction_id(), why);
}

void ScreenSession::Remark(uint64_t number, const std::string& text) {
  table_.Line({absl::StrCat("-- ", number, ": ", text, " --"), Color::kYellow});
}

void ScreenSession::Send(const v1::ScreenRequest& request) {
  MutexLock lock(write_mutex_);
  if (!closed_) stream_->Write(request);
}

}  // namespace sluice::cli
