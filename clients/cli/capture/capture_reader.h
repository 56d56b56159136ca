#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "clients/cli/capture/capture_file.h"
#include "clients/cli/capture/captured_packet.h"

namespace sluice::cli {

// Reads the packets of a file that tcpdump or Wireshark wrote (pcap, pcapng), one at a time: a file
// may be larger than memory. One thread.
class CaptureReader final {
 public:
  // NOT_FOUND: the file cannot be read; INVALID_ARGUMENT: it is not a capture, or has a link type
  // that Sluice does not know.
  static absl::StatusOr<std::unique_ptr<CaptureReader>> Open(const std::string& path);

  // The next packet, or false at the end. DATA_LOSS: the file is damaged or cut off here.
  // INVALID_ARGUMENT: the file ended and had only frames of unknown link types.
  absl::StatusOr<bool> Next(CapturedPacket* packet);

  // Frames skipped so far because they hold no IP packet.
  uint64_t others() const { return others_; }
  // Those of them with an unknown link type, and the last such type.
  uint64_t unknown_links() const { return unknown_links_; }
  const std::string& unknown_link() const { return unknown_link_; }

 private:
  explicit CaptureReader(std::string path) : path_(std::move(path)) {}

  absl::Status UnknownLink() const;

  const std::string path_;
  std::ifstream in_;
  std::optional<CaptureFile> file_;  // Reads in_.
  CapturedFrame frame_;
  uint64_t frames_ = 0;
  uint64_t others_ = 0;
  uint64_t unknown_links_ = 0;
  std::string unknown_link_;
};

}  // namespace sluice::cli
