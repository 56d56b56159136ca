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

// The packets that are still to be sent to a decider, and the batch that is being sent. A batch
// holds whatever packets of one gateway have arrived, at most 1,024 packets and 1 MiB; gateways
// take turns. The questions own the packets and only lend them to the batch. One thread.
class QuestionOutbox final {
 public:
  using Time = Question::Time;
  // Returns the question with that id; null if it needs no answer any more.
  using Find = std::function<const Question*(uint64_t id)>;

  QuestionOutbox() = default;
  ~QuestionOutbox() { Sent(); }
  QuestionOutbox(const QuestionOutbox&) = delete;
  QuestionOutbox& operator=(const QuestionOutbox&) = delete;

  void Add(const std::string& gateway, uint64_t id);

  // The next batch, complete except for its number; null if there is none. Packets that would
  // arrive too late are left out for good. `travel` is half the round trip. Sent must be called
  // before any question is used again.
  v1::PacketBatch* Next(Time now, std::chrono::nanoseconds travel, const Find& find);
  // The batch returned by Next has been serialized: its packets go back to their questions.
  void Sent();

  // The number of ids held, including those that need no answer any more.
  size_t size() const { return size_; }
  // Removes the ids that need no answer any more.
  void Compact(const Find& find);
  void Clear();

 private:
  void Fill(std::deque<uint64_t>* ids, Time now, std::chrono::nanoseconds travel, const Find& find);

  std::map<std::string, std::deque<uint64_t>> gateways_;
  size_t size_ = 0;
  std::string last_;  // The gateway whose turn was last.
  v1::PacketBatch batch_;
  std::vector<v1::Packet*> lent_;
  std::vector<uint32_t> waited_us_;  // Their `waited_us` as it came.
};

}  // namespace sluice::server
