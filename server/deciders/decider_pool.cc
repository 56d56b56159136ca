#include "server/deciders/decider_pool.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/deciders/answer_check.h"
#include "server/streams/durations.h"
#include "server/verdicts/verdict.h"

namespace sluice::server {

void DeciderPool::SetAddresses(const std::vector<std::string>& addresses, Time now) {
  std::list<Member> kept;
  for (const std::string& address : addresses) {
    const auto known = std::find_if(members_.begin(), members_.end(), [&](const Member& member) {
      return member.link.address() == address;
    });
    if (known != members_.end()) {
      kept.splice(kept.end(), members_, known);
    } else {
      DeciderLink::Listener* const self = this;
      kept.emplace_back(absl::StrCat("decider \"", name_, "\""), address, common_, self);
    }
  }
  members_.swap(kept);
  for (Member& gone : kept) MoveFrom(gone, now);
  Run(now);
}

void DeciderPool::Ask(Question question, Time now) {
  Member* const member = LeastWaiting();
  const size_t bytes = question.packet->payload().size();
  const char* obstacle = member == nullptr         ? "not connected"
                         : question.expires <= now ? "had no time"
                         : waiting_.size() >= kMostWaiting || bytes_ + bytes > kMostBytes
                             ? "has too much to do"
                             : nullptr;
  if (obstacle != nullptr) {
    ++unasked_;
    question.asker->Answer(Otherwise(question, obstacle, now));
    return;
  }
  const uint64_t id = ++common_->last_id;
  question.packet->set_transaction_id(id);
  by_expiry_.emplace(question.expires, id);
  bytes_ += bytes;
  Give(*member, id, waiting_.emplace(id, Waiting{std::move(question), member}).first->second);
}

void DeciderPool::Run(Time now) {
  Expire(now);
  for (Member& member : members_) {
    member.link.Run(now);
    Flush(member, now);
  }
}

DeciderPool::Time DeciderPool::NextTimer() const {
  Time next = by_expiry_.empty() ? Time::max() : by_expiry_.begin()->first;
  for (const Member& member : members_) next = std::min(next, member.link.NextTimer());
  return next;
}

void DeciderPool::List(std::vector<v1::Decider>* deciders) const {
  for (const Member& member : members_) {
    v1::Decider& decider = deciders->emplace_back();
    decider.set_name(name_);
    decider.set_address(member.link.address());
    decider.set_connected(member.link.welcomed());
    decider.set_asked(member.asked);
    decider.set_answered(member.answered);
    decider.set_timed_out(member.timed_out);
    decider.set_failed(member.failed);
    decider.set_invalid(member.invalid);
    decider.set_late(member.late);
    decider.set_waiting(member.waiting);
    if (&member == &members_.front()) decider.set_unasked(unasked_);
    if (member.link.round_trip().count() > 0) {
      SetDuration(member.link.round_trip(), decider.mutable_round_trip());
    }
  }
}

void DeciderPool::OnPolicy(DeciderLink* link, const std::string& token) {
  Member& member = Of(link);
  if (member.policy_token == token) return;
  // Before its first answer there is nothing of it to be forgotten.
  const bool first = member.answered == 0;
  member.policy_token = token;
  if (!first) common_->on_policy();
}

void DeciderPool::OnVerdicts(DeciderLink* link, const v1::VerdictBatch& verdicts, Time now) {
  Expire(now);
  Member& member = Of(link);
  for (const v1::Verdict& verdict : verdicts.verdicts()) TakeVerdict(member, verdict, now);
}

void DeciderPool::OnLost(DeciderLink* link, Time now) { MoveFrom(Of(link), now); }

void DeciderPool::TakeVerdict(Member& member, const v1::Verdict& verdict, Time now) {
  const auto entry = waiting_.find(verdict.transaction_id());
  if (entry == waiting_.end() || entry->second.member != &member) {
    ++member.late;
    member.link.Complain(verdict.transaction_id(), v1::VERDICT_ERROR_UNKNOWN,
                         "no such packet waits: answered already, or its time ran out");
    return;
  }
  Waiting& waiting = entry->second;
  const std::string_view objection =
      Objection(verdict, *waiting.question.packet, waiting.question.asker->hello);
  if (!objection.empty()) {
    ++member.invalid;
    member.link.Complain(verdict.transaction_id(), v1::VERDICT_ERROR_INVALID, objection);
    const Question question = Take(entry);
    question.asker->Answer(Otherwise(question, "gave a bad answer", now));
    return;
  }
  if (verdict.action() == v1::ACTION_HOLD) {
    Hold(waiting, verdict, now);
    return;
  }
  ++member.answered;
  const Question question = Take(entry);
  question.asker->Answer(Answered(question, verdict, now));
}

void DeciderPool::Hold(Waiting& waiting, const v1::Verdict& verdict, Time now) {
  Question& question = waiting.question;
  const uint64_t id = verdict.transaction_id();
  by_expiry_.erase({question.expires, id});
  const Time longer = std::min(question.expires + ToDuration(verdict.hold_for()), question.latest);
  question.expires = std::max(question.expires, longer);
  by_expiry_.emplace(question.expires, id);
  question.asker->Answer(Answered(question, verdict, now));
}

void DeciderPool::Give(Member& member, uint64_t id, Waiting& waiting) {
  waiting.member = &member;
  ++member.asked;
  ++member.waiting;
  member.outbox.Add(waiting.question.asker->hello.agent().gateway(), id);
}

void DeciderPool::MoveFrom(Member& member, Time now) {
  Expire(now);
  member.outbox.Clear();
  std::vector<uint64_t> ids;
  for (const auto& [id, waiting] : waiting_) {
    if (waiting.member == &member) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());  // In the order they came.
  for (const uint64_t id : ids) {
    const auto entry = waiting_.find(id);
    ++member.failed;
    if (Member* const other = LeastWaiting(); other != nullptr && other != &member) {
      --member.waiting;
      Give(*other, id, entry->second);
      continue;
    }
    const Question question = Take(entry);
    question.asker->Answer(Otherwise(question, "went away", now));
  }
}

void DeciderPool::Expire(Time now) {
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= now) {
    const auto entry = waiting_.find(by_expiry_.begin()->second);
    ++entry->second.member->timed_out;
    const Question question = Take(entry);
    question.asker->Answer(Otherwise(question, "did not answer in time", now));
  }
}

void DeciderPool::Flush(Member& member, Time now) {
  const auto find = [this](uint64_t id) {
    const auto entry = waiting_.find(id);
    return entry == waiting_.end() ? nullptr : &entry->second.question;
  };
  // A decider that takes nothing must not let the outbox grow without bound.
  if (member.outbox.size() > 2 * kMostWaiting) member.outbox.Compact(find);
  while (member.link.CanSend()) {
    v1::PacketBatch* const batch = member.outbox.Next(now, member.link.round_trip() / 2, find);
    if (batch == nullptr) return;
    member.link.Send(batch);
    member.outbox.Sent();
  }
}

Question DeciderPool::Take(Table::iterator entry) {
  Question question = std::move(entry->second.question);
  --entry->second.member->waiting;
  by_expiry_.erase({question.expires, entry->first});
  waiting_.erase(entry);
  bytes_ -= question.packet->payload().size();
  question.packet->set_transaction_id(question.transaction_id);
  return question;
}

DeciderPool::Member* DeciderPool::LeastWaiting() {
  Member* least = nullptr;
  for (Member& member : members_) {
    if (!member.link.welcomed()) continue;
    if (least == nullptr || member.waiting < least->waiting) least = &member;
  }
  return least;
}

DeciderPool::Member& DeciderPool::Of(const DeciderLink* link) {
  return *std::find_if(members_.begin(), members_.end(),
                       [link](const Member& member) { return &member.link == link; });
}

}  // namespace sluice::server
