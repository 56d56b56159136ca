#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "clients/cli/capture_file.h"
#include "clients/cli/captured_packet.h"

namespace sluice::cli {

// Reads the packets of a file that tcpdump or Wireshark wrote (pcap, pcapng), one at a time: a file
// may be larger than memory. One thread.
class CaptureReader final {
 public:
  // NOT_FOUND: the file cannot be read; INVALID_ARGUMENT: it is no capture, or of a kind of link
  // that Sluice does not know.
  static absl::StatusOr<std::unique_ptr<CaptureReader>> Open(const std::string& path);

  // The next packet, or false at the end. DATA_LOSS: the file is damaged or cut off, and this is
  // how far it can be read. INVALID_ARGUMENT: it is at its end, and had frames of unknown kinds of
  // links only.
  absl::StatusOr<bool> Next(CapturedPacket* packet);

  // Frames passed over so far because they hold no IP packet.
  uint64_t others() const { return others_; }
  // Among them, those of links of an unknown kind, and the last such kind.
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
