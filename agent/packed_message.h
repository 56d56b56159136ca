#pragma once

#include <cstdint>
#include <memory>

#include "sluice/v1/packet.pb.h"

namespace sluice::agent {

// A packet's message in as little memory as it takes: serialized, in one block.
class PackedMessage final {
 public:
  PackedMessage() = default;
  explicit PackedMessage(const v1::Packet& message);

  // The message again; an empty one of what was never packed.
  std::unique_ptr<v1::Packet> Unpack() const;

 private:
  // Its length, in four bytes, and the message.
  std::unique_ptr<uint8_t[]> block_;
};

}  // namespace sluice::agent
