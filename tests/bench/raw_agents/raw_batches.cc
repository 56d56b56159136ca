#include "tests/bench/raw_agents/raw_batches.h"

#include <algorithm>

#include "clients/loadgen/limits.h"
#include "clients/loadgen/prepared_batches.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::bench {
namespace {

// How many different packets there are in total, at least; as loadgen has them.
constexpr uint32_t kPackets = 1024;

// Tags of the fields, all in one byte: the number, and 0 for a varint or 2 for bytes.
constexpr char Tag(int field, int type) { return static_cast<char>(field << 3 | type); }
constexpr char kPacketsOfRequest = Tag(v1::DecideRequest::kPacketsFieldNumber, 2);
constexpr char kNumberOfBatch = Tag(v1::PacketBatch::kBatchFieldNumber, 0);
constexpr char kPacketOfBatch = Tag(v1::PacketBatch::kPacketsFieldNumber, 2);
constexpr char kIdOfPacket = Tag(v1::Packet::kTransactionIdFieldNumber, 0);
constexpr size_t kIdSize = 5;

void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

// Four bytes behind the flag "not compressed".
void AppendPrefix(size_t length, std::string* out) {
  out->push_back(0);
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(length >> shift));
}

}  // namespace

RawBatches::RawBatches(uint32_t batch) : templates_(std::max(kPackets / batch, 1U)) {
  uint32_t index = 0;
  for (Template& made : templates_) {
    v1::PacketBatch packets;
    packets.mutable_time_left()->set_seconds(loadgen::kDeadline / loadgen::kSecond);
    made.body = packets.SerializeAsString();
    for (uint32_t i = 0; i < batch; ++i) {
      const std::string packet = loadgen::MakePacket(index++).SerializeAsString();
      made.body.push_back(kPacketOfBatch);
      AppendVarint(1 + kIdSize + packet.size(), &made.body);
      made.body.push_back(kIdOfPacket);
      made.ids.push_back(made.body.size());
      made.body.append(kIdSize, 0).append(packet);
    }
  }
}

void RawBatches::Append(uint64_t number, uint64_t first_id, std::string* out) {
  Template& next = templates_[next_];
  next_ = (next_ + 1) % templates_.size();
  for (const size_t at : next.ids) {
    uint64_t id = first_id++;
    for (size_t i = 0; i < kIdSize; ++i, id >>= 7) {
      next.body[at + i] = static_cast<char>((id & 0x7f) | (i + 1 < kIdSize ? 0x80 : 0));
    }
  }
  std::string head(1, kNumberOfBatch);
  AppendVarint(number, &head);
  std::string request(1, kPacketsOfRequest);
  AppendVarint(head.size() + next.body.size(), &request);
  AppendPrefix(request.size() + head.size() + next.body.size(), out);
  out->append(request).append(head).append(next.body);
}

void AppendGrpcMessage(const std::string& message, std::string* out) {
  AppendPrefix(message.size(), out);
  out->append(message);
}

}  // namespace sluice::bench
