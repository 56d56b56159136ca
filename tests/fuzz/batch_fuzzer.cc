// Batches of packets, read by ReadBatch and by protobuf. What the first takes, the second takes
// too, and both find the same in it.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "server/calls/message_parts.h"
#include "server/packets/batch_reader.h"
#include "sluice/v1/decision.pb.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::vector<server::PacketFields> packets;
  const auto batch = server::ReadBatch(bytes, size, &packets);
  if (!batch) return 0;
  Require(server::HasFewParts(bytes, *v1::DecideRequest::descriptor(), size));
  // With less room the same begins.
  std::vector<server::PacketFields> first;
  const auto counted = server::ReadBatch(bytes, 1, &first);
  Require(counted && counted->packet_count == batch->packet_count && first.size() <= 1);
  Require(first.empty() ? packets.empty() : first.front() == packets.front());
  v1::DecideRequest request;
  Require(request.ParseFromArray(data, static_cast<int>(size)) && request.has_packets());
  const v1::PacketBatch& expected = request.packets();
  Require(batch->batch == expected.batch() && batch->gateway == expected.gateway());
  Require(batch->packet_count == static_cast<size_t>(expected.packets_size()));
  Require(packets.size() == batch->packet_count);
  for (int i = 0; i < expected.packets_size(); ++i) {
    Require(packets[static_cast<size_t>(i)] == server::PacketFields(expected.packets(i)));
  }
  return 0;
}
