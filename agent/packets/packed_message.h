#pragma once

#include <cstdint>
#include <memory>

#include "sluice/v1/packet.pb.h"

namespace sluice::agent {

// A packet's message in as little memory as possible: serialized, in one block.
class PackedMessage final {
 public:
  PackedMessage() = default;
  explicit PackedMessage(const v1::Packet& message);

  // The message again; an empty one if none was packed.
  std::unique_ptr<v1::Packet> Unpack() const;

 private:
  // The message, behind its length in four bytes.
  std::unique_ptr<uint8_t[]> block_;
};

}  // namespace sluice::agent
