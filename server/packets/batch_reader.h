#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "server/packets/packet_fields.h"

namespace sluice::server {

// What a v1::PacketBatch says besides its packets. Views of the message.
struct BatchFields {
  uint64_t batch = 0;
  std::string_view gateway;
  size_t packet_count = 0;
};

// Reads a serialized v1::DecideRequest that is a batch of packets, without making messages of it:
// that would cost several times what deciding the packets does. Puts the fields of the first `most`
// packets into `packets`; they are views of `message`. Further packets are only counted.
//
// nullopt says nothing but that protobuf has to read it: this reader takes what agents send, and
// leaves to protobuf what is not a batch, what protobuf would merge, and text that is not ASCII.
// What it takes, protobuf takes too, and reads the same from it (the batch fuzzer compares them),
// but for packets beyond `most`, which are not looked into.
std::optional<BatchFields> ReadBatch(std::string_view message, size_t most,
                                     std::vector<PacketFields>* packets);

}  // namespace sluice::server
