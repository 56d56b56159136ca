#include "agent/packets/packed_message.h"

#include <cstring>

namespace sluice::agent {
namespace {

constexpr size_t kLength = sizeof(uint32_t);

}  // namespace

PackedMessage::PackedMessage(const v1::Packet& message) {
  const auto length = static_cast<uint32_t>(message.ByteSizeLong());
  block_.reset(new uint8_t[kLength + length]);
  std::memcpy(block_.get(), &length, kLength);
  message.SerializeWithCachedSizesToArray(block_.get() + kLength);
}

std::unique_ptr<v1::Packet> PackedMessage::Unpack() const {
  auto message = std::make_unique<v1::Packet>();
  if (block_ == nullptr) return message;
  uint32_t length = 0;
  std::memcpy(&length, block_.get(), kLength);
  // We serialized it, so it parses.
  message->ParseFromArray(block_.get() + kLength, static_cast<int>(length));
  return message;
}

}  // namespace sluice::agent
