#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "sluice/v1/packet.pb.h"

namespace sluice::agent {

// A packet's message in as little memory as possible: serialized, in one block.
class PackedMessage final {
 public:
  PackedMessage() = default;
  explicit PackedMessage(const v1::Packet& message) {
    const auto length = static_cast<uint32_t>(message.ByteSizeLong());
    block_.reset(new uint8_t[kLength + length]);
    std::memcpy(block_.get(), &length, kLength);
    message.SerializeWithCachedSizesToArray(block_.get() + kLength);
  }

  // The message again; an empty one if none was packed.
  std::unique_ptr<v1::Packet> Unpack() const {
    auto message = std::make_unique<v1::Packet>();
    if (block_ == nullptr) return message;
    uint32_t length = 0;
    std::memcpy(&length, block_.get(), kLength);
    // We serialized it, so it parses.
    message->ParseFromArray(block_.get() + kLength, static_cast<int>(length));
    return message;
  }

 private:
  static constexpr size_t kLength = sizeof(uint32_t);

  // The message, behind its length in four bytes.
  std::unique_ptr<uint8_t[]> block_;
};

}  // namespace sluice::agent
