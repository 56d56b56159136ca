#include "server/deciders/question.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/deciders/answer_check.h"
#include "server/streams/durations.h"
#include "server/verdicts/verdict.h"

namespace sluice::server {
namespace {

using std::chrono::nanoseconds;

// The wait of the oldest packet, which is the one that the batch's time_left is about.
nanoseconds LongestWait(const v1::PacketBatch& batch) {
  uint32_t longest = 0;
  for (const v1::Packet& packet : batch.packets()) longest = std::max(longest, packet.waited_us());
  return std::chrono::microseconds(longest);
}

DeferredVerdict Begin(const Question& question, Question::Time now) {
  return {.packet = *question.packet,
          .verdict = {},
          .policy = question.policy,
          .rule = question.ruling.rule,
          .log = question.ruling.log,
          .elapsed = now - question.presented};
}

std::string Name(const Question& question) {
  return absl::StrCat("\"", question.ruling.ask->decider, "\"");
}

}  // namespace

QuestionTimes TimesOf(const v1::DecideHello& hello, const v1::PacketBatch& batch,
                      const v1::Packet& packet, std::chrono::milliseconds within,
                      Question::Time now) {
  const nanoseconds waited = std::chrono::microseconds(packet.waited_us());
  const nanoseconds hold_limit = ToDuration(hello.hold_limit());
  if (!batch.has_time_left()) return {now + within, now - waited + hold_limit};
  const nanoseconds oldest_left = ToDuration(batch.time_left());
  const nanoseconds oldest_waited = LongestWait(batch);
  const nanoseconds deadline = ToDuration(hello.deadline());
  // The agent has subtracted the travel time to us from time_left; the way back takes as long.
  const nanoseconds way_back =
      std::clamp(deadline - oldest_waited - oldest_left, nanoseconds(0), deadline / 2);
  const nanoseconds left =
      std::max(nanoseconds(0), oldest_left + (oldest_waited - waited) - way_back);
  const nanoseconds usable = left - std::min<nanoseconds>(kMargin, left / 4);
  return {now + std::min<nanoseconds>(within, usable), now + usable + (hold_limit - deadline)};
}

DeferredVerdict Otherwise(const Question& question, const char* why, Question::Time now) {
  DeferredVerdict late = Begin(question, now);
  FillVerdict(question.transaction_id, question.ruling,
              ScopeSet(question.asker->hello.capabilities()), &late.verdict);
  late.verdict.set_reason(
      DeferredReason(absl::StrCat(Name(question), " ", why), late.verdict.reason()));
  return late;
}

DeferredVerdict Answered(const Question& question, const v1::Verdict& verdict, Question::Time now) {
  DeferredVerdict late = Begin(question, now);
  late.verdict = verdict;
  Tidy(&late.verdict);
  late.verdict.set_transaction_id(question.transaction_id);
  late.verdict.set_reason(DeferredReason(absl::StrCat("asked ", Name(question)), verdict.reason()));
  return late;
}

}  // namespace sluice::server
