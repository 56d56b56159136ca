#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "server/deciders/question.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// Which packets are still to be sent to a decider, and the batch that is being sent. A batch has
// packets of one gateway, whatever had arrived of it, at most 1,024 packets and 1 MiB; gateways
// take turns. The packets stay their questions' and are only lent to the batch. One thread.
class QuestionOutbox final {
 public:
  using Time = Question::Time;
  // The question of that id; null if it needs no answer any more.
  using Find = std::function<const Question*(uint64_t id)>;

  QuestionOutbox() = default;
  ~QuestionOutbox() { Sent(); }
  QuestionOutbox(const QuestionOutbox&) = delete;
  QuestionOutbox& operator=(const QuestionOutbox&) = delete;

  void Add(const std::string& gateway, uint64_t id);

  // The next batch, complete but for its number; null if there is none. Packets that would be too
  // late when they arrive are left out for good. `travel` is half the round trip. To be followed
  // by Sent before a question is touched.
  v1::PacketBatch* Next(Time now, std::chrono::nanoseconds travel, const Find& find);
  // The batch of Next has been serialized: its packets are given back.
  void Sent();

  // Ids held, those that need no answer any more among them.
  size_t size() const { return size_; }
  // Lets go of those.
  void Compact(const Find& find);
  void Clear();

 private:
  void Fill(std::deque<uint64_t>* ids, Time now, std::chrono::nanoseconds travel, const Find& find);

  std::map<std::string, std::deque<uint64_t>> gateways_;
  size_t size_ = 0;
  std::string last_;  // The gateway whose turn was last.
  v1::PacketBatch batch_;
  std::vector<v1::Packet*> lent_;
  std::vector<uint32_t> waited_us_;  // Theirs, as they came.
};

}  // namespace sluice::server
