#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string>
#include <vector>

namespace sluice::cli {

// A frame of a capture.
struct CapturedFrame {
  google::protobuf::Timestamp time;
  uint32_t link_type = 0;  // LINKTYPE_…, as in the file.
  std::string bytes;       // The part that was captured.
  uint32_t length = 0;     // Of the whole frame; at least bytes.size().
};

// Reads pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng) in either byte order.
// Unlike libpcap it reads files whose interfaces have different link types and snap lengths, as
// `mergecap` and Wireshark write them, and several pcapng files appended to each other. Total: any
// bytes give frames or an error. Holds one frame at a time. One thread.
class CaptureFile final {
 public:
  // A longer frame counts as damage. The longest frames that Linux makes have 512 KiB (BIG TCP).
  static constexpr uint32_t kLongestFrame = 1u << 20;

  // `in` must outlive the result. INVALID_ARGUMENT: it does not begin like a capture.
  static absl::StatusOr<CaptureFile> Open(std::istream* in);

  // The next frame, or false at the end. DATA_LOSS: the file is damaged or cut off here.
  absl::StatusOr<bool> Next(CapturedFrame* frame);

  bool is_pcapng() const { return pcapng_; }
  // The link type of a pcap file, which has one for all frames; 0 for pcapng.
  uint32_t link_type() const { return link_type_; }

 private:
  struct Interface {
    uint32_t link_type;
    uint32_t snap_length;      // 0: no limit.
    uint64_t units_in_second;  // The resolution of its times.
    int64_t offset_seconds;    // Added to its times.
  };

  explicit CaptureFile(std::istream* in) : in_(in) {}

  bool Read(size_t size, std::string* bytes);
  uint32_t Word(const std::string& bytes, size_t at) const;
  uint32_t Half(const std::string& bytes, size_t at) const;
  absl::StatusOr<bool> NextOfPcap(CapturedFrame* frame);
  absl::StatusOr<bool> NextOfPcapng(CapturedFrame* frame);
  // Reads the rest of a section's first block. `begin` is its first 8 bytes, type and length.
  absl::Status BeginSection(const std::string& begin);
  absl::Status AddInterface(const std::string& body);
  void SetTime(uint64_t units, const Interface& interface, CapturedFrame* frame) const;
  // Reads an enhanced, simple or (obsolete) packet block; false for any other block.
  absl::StatusOr<bool> Packet(uint32_t type, const std::string& body, CapturedFrame* frame) const;

  std::istream* in_;
  bool big_endian_ = false;
  bool pcapng_ = false;
  uint32_t link_type_ = 0;
  uint32_t fraction_ns_ = 1;           // pcap: nanoseconds in a unit of its times.
  size_t more_header_ = 0;             // pcap: bytes of a frame's header after the usual 16.
  std::vector<Interface> interfaces_;  // pcapng: those of the current section.
};

}  // namespace sluice::cli
