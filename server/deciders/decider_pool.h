#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/deciders/decider_link.h"
#include "server/deciders/question.h"
#include "server/deciders/question_outbox.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// One decider that rules ask, at one or more addresses, and the packets that wait for it. A packet
// goes to the connected address with the fewest packets waiting, and to another one if that stream
// ends. A packet without an answer in time gets the verdict that its rule gives behind `else`. One
// thread.
//
// For each address: asked = answered + timed_out + failed + invalid + waiting.
class DeciderPool final : private DeciderLink::Listener {
 public:
  using Time = Question::Time;

  // Packets that may wait for one decider, and the bytes of their payloads. Beyond these, packets
  // are not asked about.
  static constexpr size_t kMostWaiting = 16'384;
  static constexpr size_t kMostBytes = size_t{64} << 20;

  // What all pools share. No pointer is owned.
  struct Common {
    v1::DecideHello hello;
    DeciderDialer* dialer = nullptr;
    uint64_t last_id = 0;  // Transaction ids are unique within this server.
    // Called when a decider has changed its policy, so that its earlier answers must be forgotten.
    std::function<void()> on_policy;
  };

  // `common` is not owned.
  DeciderPool(std::string name, Common* common) : name_(std::move(name)), common_(common) {}
  // Packets that still wait get no answer: call SetAddresses({}) first to have them answered.
  ~DeciderPool() = default;
  DeciderPool(const DeciderPool&) = delete;
  DeciderPool& operator=(const DeciderPool&) = delete;

  // Sets the decider's addresses. Those it already had keep their connections and counters. Packets
  // that wait at a removed address are asked of another.
  void SetAddresses(const std::vector<std::string>& addresses, Time now);

  void Ask(Question question, Time now);
  // Counts packets that were not even put to this pool.
  void CountUnasked(uint64_t packets) { unasked_ += packets; }

  // Does what is due.
  void Run(Time now);
  // When to call Run next if no event comes before.
  Time NextTimer() const;

  void List(std::vector<v1::Decider>* deciders) const;

 private:
  // One address.
  struct Member {
    Member(std::string who, const std::string& address, Common* common,
           DeciderLink::Listener* listener)
        : link(std::move(who), address, &common->hello, common->dialer, listener) {}

    DeciderLink link;
    QuestionOutbox outbox;
    std::string policy_token;  // Of the policy it decides by.
    uint64_t asked = 0;
    uint64_t answered = 0;
    uint64_t timed_out = 0;
    uint64_t failed = 0;
    uint64_t invalid = 0;
    uint64_t late = 0;
    size_t waiting = 0;
  };
  struct Waiting {
    Question question;
    Member* member;
  };
  using Table = absl::flat_hash_map<uint64_t, Waiting>;

  void OnPolicy(DeciderLink* link, const std::string& token) override;
  void OnVerdicts(DeciderLink* link, const v1::VerdictBatch& verdicts, Time now) override;
  void OnLost(DeciderLink* link, Time now) override;

  void TakeVerdict(Member& member, const v1::Verdict& verdict, Time now);
  void Hold(Waiting& waiting, const v1::Verdict& verdict, Time now);
  void Give(Member& member, uint64_t id, Waiting& waiting);
  void MoveFrom(Member& member, Time now);
  void Expire(Time now);
  void Flush(Member& member, Time now);
  Question Take(Table::iterator entry);
  Member* LeastWaiting();
  Member& Of(const DeciderLink* link);

  const std::string name_;
  Common* const common_;  // Not owned.
  // In the order of the policy. A std::list, because the links are identified by pointer and must
  // not move.
  std::list<Member> members_;
  Table waiting_;
  std::set<std::pair<Time, uint64_t>> by_expiry_;
  size_t bytes_ = 0;
  uint64_t unasked_ = 0;
};

}  // namespace sluice::server
