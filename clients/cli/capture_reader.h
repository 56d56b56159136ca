#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <memory>
#include <string>

struct pcap;

namespace sluice::cli {

// An IPv4 or IPv6 packet of a capture.
struct CapturedPacket {
  google::protobuf::Timestamp time;
  std::string bytes;    // From its network header on, as far as it was captured.
  uint32_t length = 0;  // Of the whole.
};

// Reads the packets of a file that tcpdump or Wireshark wrote (pcap, pcapng), one at a time: a file
// may be larger than memory. One thread.
class CaptureReader final {
 public:
  // NOT_FOUND: the file cannot be read; INVALID_ARGUMENT: it is no capture, or of a kind of link
  // that Sluice does not know.
  static absl::StatusOr<std::unique_ptr<CaptureReader>> Open(const std::string& path);
  ~CaptureReader();
  CaptureReader(const CaptureReader&) = delete;
  CaptureReader& operator=(const CaptureReader&) = delete;

  // The next packet, or false at the end. DATA_LOSS: the file is damaged or cut off, and this is
  // how far it can be read.
  absl::StatusOr<bool> Next(CapturedPacket* packet);

  // Frames passed over so far because they hold no IP packet.
  uint64_t others() const { return others_; }

 private:
  CaptureReader(std::string path, pcap* file);

  const std::string path_;
  pcap* const file_;
  const int link_type_;
  uint64_t frames_ = 0;
  uint64_t others_ = 0;
};

}  // namespace sluice::cli
