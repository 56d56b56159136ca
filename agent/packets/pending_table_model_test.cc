// Compares the table with a naive one: a map of every packet there ever was, searched from end to
// end.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "agent/packets/pending_table.h"

namespace sluice::agent {
namespace {

using Absent = PendingTable::Absent;

// A table of a random size, and a few hundred operations in random order.
class Trial {
 public:
  explicit Trial(uint32_t seed)
      : seed_(seed),
        random_(seed),
        tag_(std::vector<uint8_t>{0, 1, 127, 255}[Below(4)]),
        capacity_(1 + Below(12)),
        byte_capacity_(1 + Below(4000)),
        table_(tag_, capacity_, byte_capacity_) {}

  void Run() {
    const size_t steps = 100 + Below(300);
    for (size_t step = 0; step < steps; ++step) {
      now_ns_ += static_cast<int64_t>(Below(20));
      Step();
      Compare();
      if (testing::Test::HasFailure()) {
        ADD_FAILURE() << "seed " << seed_ << ", step " << step;
        return;
      }
    }
    ShutDown();
  }

 private:
  enum class State { kPending, kAnswered, kFallback };

  struct Known {
    uint32_t packet_id;
    uint32_t bytes;
    uint32_t stream;
    int64_t arrival_ns;
    int64_t deadline_ns;
    State state = State::kPending;
  };

  void Step() {
    switch (Below(16)) {
      case 0:
        return Defer();
      case 1:
        return Expire();
      case 2:
        return KeepOrder();
      case 3:
        return Below(4) == 0 ? ChangeStream() : Defer();
      case 4:
        if (Below(8) == 0) ShutDown();
        return;
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
        return Answer();
      default:
        return Arrive();
    }
  }

  void Arrive() {
    const auto bytes = static_cast<uint32_t>(Below(byte_capacity_ * 5 / 4));
    const size_t pending = pending_.size();
    const bool room = pending == 0 || (pending < capacity_ && Bytes() + bytes <= byte_capacity_);
    ASSERT_EQ(table_.HasRoom(bytes), room);
    if (!room) return;
    // Mostly, as in production, all wait equally long; but a capture's clock may step back.
    const int64_t arrival_ns = now_ns_ - (Below(8) == 0 ? static_cast<int64_t>(Below(200)) : 0);
    const Known known{.packet_id = static_cast<uint32_t>(known_.size() + 1),
                      .bytes = bytes,
                      .stream = stream_,
                      .arrival_ns = arrival_ns,
                      .deadline_ns = arrival_ns + 100};
    PendingPacket packet;
    packet.packet_id = known.packet_id;
    packet.bytes = known.bytes;
    packet.stream = known.stream;
    packet.arrival_ns = known.arrival_ns;
    packet.deadline_ns = known.deadline_ns;
    packet.message = std::make_unique<v1::Packet>();
    const uint64_t id = table_.Insert(std::move(packet));
    ASSERT_EQ(id >> 56, tag_);
    ASSERT_TRUE(known_.empty() || id > known_.rbegin()->first) << "ids count up";
    known_.emplace(id, known);
    pending_.insert(id);
    peak_ = std::max(peak_, pending + 1);
  }

  // A stream answers in time, late, twice, for another stream, or with an id that never was.
  void Answer() {
    const uint64_t id = SomeId();
    const uint32_t stream = SomeStream();
    auto taken = table_.Take(id, stream);
    if (!MayAnswer(id, stream)) {
      ASSERT_FALSE(taken.packet);
      return ExpectAbsent(id, taken.absent);
    }
    ASSERT_TRUE(taken.packet);
    End(*taken.packet, State::kAnswered);
  }

  void Defer() {
    const uint64_t id = SomeId();
    const uint32_t stream = SomeStream();
    const auto more_ns = static_cast<int64_t>(Below(300));
    const auto limit_ns = static_cast<int64_t>(Below(600));
    const auto absent = table_.Defer(id, stream, more_ns, limit_ns);
    if (!MayAnswer(id, stream)) {
      ASSERT_TRUE(absent);
      return ExpectAbsent(id, *absent);
    }
    ASSERT_FALSE(absent);
    Known& known = known_.at(id);
    known.deadline_ns = std::max(
        known.deadline_ns, std::min(known.deadline_ns + more_ns, known.arrival_ns + limit_ns));
  }

  void Expire() {
    while (auto packet = table_.TakeExpired(now_ns_)) {
      ASSERT_EQ(packet->deadline_ns, Earliest());
      ASSERT_LE(packet->deadline_ns, now_ns_);
      End(*packet, State::kFallback);
      if (testing::Test::HasFailure()) return;
    }
    const auto earliest = Earliest();
    ASSERT_TRUE(!earliest || *earliest > now_ns_) << "one that is past its deadline was left";
  }

  void KeepOrder() {
    const uint64_t id = SomeId();
    const uint32_t stream = SomeStream();
    size_t older = 0;
    for (const uint64_t other : pending_) {
      if (other < id && known_.at(other).stream == stream) ++older;
    }
    for (; older > 0; --older) {
      auto packet = table_.TakeOlder(id, stream);
      ASSERT_TRUE(packet);
      ASSERT_LT(packet->transaction_id, id);
      ASSERT_EQ(packet->stream, stream);
      End(*packet, State::kFallback);
      if (testing::Test::HasFailure()) return;
    }
    ASSERT_FALSE(table_.TakeOlder(id, stream));
  }

  // The stream is lost. Pending packets are presented on the next one, except for some that the
  // next decider does not ask for.
  void ChangeStream() {
    ++stream_;
    for (const uint64_t id : table_.Ids()) {
      PendingPacket* packet = table_.Find(id);
      ASSERT_NE(packet, nullptr);
      packet->stream = stream_;
      known_.at(id).stream = stream_;
      if (Below(8) != 0) continue;
      auto taken = table_.Take(id, stream_);
      ASSERT_TRUE(taken.packet);
      End(*taken.packet, State::kAnswered);
    }
  }

  void ShutDown() {
    while (auto packet = table_.TakeAny()) {
      End(*packet, State::kFallback);
      if (testing::Test::HasFailure()) return;
    }
    ASSERT_TRUE(pending_.empty());
    Compare();
  }

  // The packet was taken out of the table: the right to answer it must not have been used before.
  void End(const PendingPacket& packet, State state) {
    const auto known = known_.find(packet.transaction_id);
    ASSERT_NE(known, known_.end());
    ASSERT_EQ(known->second.state, State::kPending) << "answered twice";
    ASSERT_EQ(packet.packet_id, known->second.packet_id);
    ASSERT_EQ(packet.bytes, known->second.bytes);
    ASSERT_NE(packet.message, nullptr);
    ASSERT_EQ(packet.message->transaction_id(), packet.transaction_id);
    known->second.state = state;
    pending_.erase(packet.transaction_id);
  }

  bool MayAnswer(uint64_t id, uint32_t stream) const {
    const auto known = known_.find(id);
    return known != known_.end() && known->second.state == State::kPending &&
           known->second.stream == stream;
  }

  void ExpectAbsent(uint64_t id, Absent absent) const {
    const auto known = known_.find(id);
    if (known == known_.end()) {
      // An id that was passed over in counting is taken for that of a very old packet once its slot
      // may have been used again.
      const bool passed_over = id >> 56 == tag_ && Later(id) >= capacity_;
      ASSERT_TRUE(absent == Absent::kUnknown || (passed_over && absent == Absent::kLate));
    } else if (known->second.state == State::kPending) {
      ASSERT_EQ(absent, Absent::kWrongOwner);
    } else if (known->second.state == State::kFallback) {
      ASSERT_EQ(absent, Absent::kLate);
    } else {
      // That a packet was answered is known until `capacity_` newer packets have come.
      const bool forgotten = Later(id) >= capacity_;
      ASSERT_TRUE(absent == Absent::kDuplicate || (forgotten && absent == Absent::kLate));
    }
  }

  void Compare() {
    ASSERT_EQ(table_.size(), pending_.size());
    const std::vector<uint64_t> ids = table_.Ids();
    ASSERT_TRUE(std::equal(ids.begin(), ids.end(), pending_.begin(), pending_.end()));
    ASSERT_EQ(table_.bytes(), Bytes());
    ASSERT_EQ(table_.peak(), peak_);
    ASSERT_EQ(table_.NextDeadline(), Earliest());
    const uint64_t id = SomeId();
    const PendingPacket* packet = table_.Find(id);
    const auto known = known_.find(id);
    ASSERT_EQ(packet != nullptr, known != known_.end() && known->second.state == State::kPending);
    if (packet != nullptr) {
      ASSERT_EQ(packet->packet_id, known->second.packet_id);
      ASSERT_EQ(packet->deadline_ns, known->second.deadline_ns);
    }
  }

  // How many packets came after this one.
  size_t Later(uint64_t id) const {
    return static_cast<size_t>(std::distance(known_.upper_bound(id), known_.end()));
  }

  size_t Bytes() const {
    size_t bytes = 0;
    for (const uint64_t id : pending_) bytes += known_.at(id).bytes;
    return bytes;
  }

  std::optional<int64_t> Earliest() const {
    std::optional<int64_t> earliest;
    for (const uint64_t id : pending_) {
      const int64_t deadline_ns = known_.at(id).deadline_ns;
      earliest = std::min(earliest.value_or(deadline_ns), deadline_ns);
    }
    return earliest;
  }

  // Mostly the id of a pending packet; also of those that left, and ids that never were.
  uint64_t SomeId() {
    const uint64_t tag = uint64_t{tag_} << 56;
    const size_t choice = Below(10);
    if (choice == 0) return tag | Below(known_.size() * 2 + 2);
    if (choice == 1) return (tag ^ uint64_t{1} << 56) | Below(known_.size() + 2);
    if (choice == 2) return uint64_t{random_()} << 32 | random_();
    if (choice < 5 && !known_.empty()) {
      return std::next(known_.begin(), static_cast<ptrdiff_t>(Below(known_.size())))->first;
    }
    if (pending_.empty()) return tag;
    return *std::next(pending_.begin(), static_cast<ptrdiff_t>(Below(pending_.size())));
  }

  uint32_t SomeStream() { return Below(6) == 0 ? stream_ - 1 : stream_; }

  size_t Below(size_t bound) { return random_() % bound; }

  const uint32_t seed_;
  std::mt19937 random_;
  const uint8_t tag_;
  const size_t capacity_;
  const size_t byte_capacity_;
  PendingTable table_;

  std::map<uint64_t, Known> known_;
  std::set<uint64_t> pending_;  // of known_
  size_t peak_ = 0;
  int64_t now_ns_ = 1000;
  uint32_t stream_ = 1;
};

TEST(PendingTableModel, AgreesWithANaiveTable) {
  for (uint32_t seed = 1; seed <= 2000 && !HasFailure(); ++seed) Trial(seed).Run();
}

}  // namespace
}  // namespace sluice::agent
