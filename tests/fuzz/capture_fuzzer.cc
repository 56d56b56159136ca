// Captures: their frames, and what is made of the packets in them.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>

#include "clients/cli/capture_file.h"
#include "clients/cli/connection_follower.h"
#include "clients/cli/link_layer.h"
#include "clients/cli/reassembler.h"
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
    // A copy of its own: the sanitizer sees what is read behind it.
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
