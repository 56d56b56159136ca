#include "server/deciders/question_outbox.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/streams/durations.h"

namespace sluice::server {
namespace {

// The limits of decision.proto.
constexpr int kMaxPackets = 1024;
constexpr size_t kMaxBytes = 1024 * 1024;

}  // namespace

void QuestionOutbox::Add(const std::string& gateway, uint64_t id) {
  gateways_[gateway].push_back(id);
  ++size_;
}

void QuestionOutbox::Compact(const Find& find) {
  size_ = 0;
  for (auto gateway = gateways_.begin(); gateway != gateways_.end();) {
    std::erase_if(gateway->second, [&](uint64_t id) { return find(id) == nullptr; });
    size_ += gateway->second.size();
    gateway = gateway->second.empty() ? gateways_.erase(gateway) : std::next(gateway);
  }
}

void QuestionOutbox::Clear() {
  gateways_.clear();
  size_ = 0;
}

v1::PacketBatch* QuestionOutbox::Next(Time now, std::chrono::nanoseconds travel, const Find& find) {
  while (!gateways_.empty()) {
    auto turn = gateways_.upper_bound(last_);
    if (turn == gateways_.end()) turn = gateways_.begin();
    last_ = turn->first;
    Fill(&turn->second, now, travel, find);
    if (turn->second.empty()) gateways_.erase(turn);
    if (batch_.packets_size() == 0) continue;
    batch_.set_gateway(last_);
    return &batch_;
  }
  return nullptr;
}

void QuestionOutbox::Fill(std::deque<uint64_t>* ids, Time now, std::chrono::nanoseconds travel,
                          const Find& find) {
  size_t bytes = 0;
  Time earliest = Time::max();
  for (; !ids->empty() && batch_.packets_size() < kMaxPackets; ids->pop_front(), --size_) {
    const Question* question = find(ids->front());
    if (question == nullptr || question->expires <= now + travel) continue;
    v1::Packet* const packet = question->packet.get();
    bytes += packet->ByteSizeLong();
    if (bytes > kMaxBytes && batch_.packets_size() > 0) break;
    waited_us_.push_back(packet->waited_us());
    const auto longer =
        std::chrono::duration_cast<std::chrono::microseconds>(now - question->presented);
    packet->set_waited_us(packet->waited_us() + static_cast<uint32_t>(longer.count()));
    batch_.mutable_packets()->UnsafeArenaAddAllocated(packet);
    earliest = std::min(earliest, question->expires);
  }
  if (batch_.packets_size() > 0) SetDuration(earliest - now - travel, batch_.mutable_time_left());
}

void QuestionOutbox::Sent() {
  lent_.resize(static_cast<size_t>(batch_.packets_size()));
  batch_.mutable_packets()->UnsafeArenaExtractSubrange(0, batch_.packets_size(), lent_.data());
  for (size_t i = 0; i < lent_.size(); ++i) lent_[i]->set_waited_us(waited_us_[i]);
  waited_us_.clear();
}

}  // namespace sluice::server
