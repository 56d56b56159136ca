// Captures: their frames, and how the packets in them are reassembled and followed.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>

#include "clients/cli/capture/capture_file.h"
#include "clients/cli/capture/connection_follower.h"
#include "clients/cli/capture/link_layer.h"
#include "clients/cli/capture/reassembler.h"
#include "tests/fuzz/require.h"

namespace sluice::cli {
namespace {

void Read(const uint8_t* data, size_t size) {
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  absl::StatusOr<CaptureFile> file = CaptureFile::Open(&in);
  if (!file.ok()) return;
  Reassembler reassembler;
  ConnectionFollower follower(8);
  CapturedFrame frame;
  for (;;) {
    const absl::StatusOr<bool> more = file->Next(&frame);
    if (!more.ok() || !*more) return;
    Require(frame.bytes.size() <= size && frame.bytes.size() <= frame.length);
    // A separate copy, so that the sanitizer sees a read beyond its end.
    const std::string bytes(frame.bytes);
    const std::optional<size_t> network = FindNetworkHeader(
        frame.link_type, {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
    if (!network) continue;
    Require(*network < bytes.size());
    CapturedPacket packet;
    packet.time = frame.time;
    packet.bytes = bytes.substr(*network);
    packet.length = static_cast<uint32_t>(frame.length - *network);
    if (!reassembler.Add(&packet)) continue;
    Require(packet.bytes.size() <= packet.length);
    Require(v1::ConnectionState_IsValid(follower.Follow(packet)));
  }
}

}  // namespace
}  // namespace sluice::cli

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::cli::Read(data, size);
  return 0;
}
