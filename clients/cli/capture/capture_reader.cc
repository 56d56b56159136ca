#include "clients/cli/capture/capture_reader.h"

#include <absl/strings/str_cat.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "clients/cli/capture/link_layer.h"

namespace sluice::cli {
namespace {

// A sender whose card cuts segments (TSO, USO) leaves the length of the IPv4 packet to the card,
// and a capture on that sender shows 0. The real length is that of the frame's content. A length
// that does not fit the field stays 0, as it does in Linux (BIG TCP).
void FillInLength(CapturedPacket* packet) {
  constexpr char kTcp = 6;
  constexpr char kUdp = 17;
  std::string& bytes = packet->bytes;
  if (bytes.size() < 20 || static_cast<uint8_t>(bytes[0]) >> 4 != 4) return;
  if (bytes[2] != 0 || bytes[3] != 0 || packet->length > 0xffff) return;
  if (bytes[9] != kTcp && bytes[9] != kUdp) return;
  bytes[2] = static_cast<char>(packet->length >> 8);
  bytes[3] = static_cast<char>(packet->length & 0xff);
}

}  // namespace

absl::StatusOr<std::unique_ptr<CaptureReader>> CaptureReader::Open(const std::string& path) {
  std::unique_ptr<CaptureReader> reader(new CaptureReader(path));
  reader->in_.open(path, std::ios::binary);
  if (!reader->in_) {
    return absl::NotFoundError(
        absl::StrCat("cannot read the capture ", path, ": ", std::strerror(errno)));
  }
  absl::StatusOr<CaptureFile> file = CaptureFile::Open(&reader->in_);
  if (!file.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is not a capture: ", file.status().message()));
  }
  if (!file->is_pcapng() && !KnowsLinkType(file->link_type())) {
    reader->unknown_link_ = LinkTypeName(file->link_type());
    return reader->UnknownLink();
  }
  reader->file_ = *std::move(file);
  return reader;
}

absl::Status CaptureReader::UnknownLink() const {
  return absl::InvalidArgumentError(
      absl::StrCat(path_, " was captured on a link of type ", unknown_link_,
                   "; Ethernet, Linux cooked (any), PPP, loopback and raw IP can be read"));
}

absl::StatusOr<bool> CaptureReader::Next(CapturedPacket* packet) {
  for (;;) {
    const absl::StatusOr<bool> read = file_->Next(&frame_);
    if (!read.ok()) {
      return absl::DataLossError(
          absl::StrCat(path_, ": damaged or cut off behind ", frames_,
                       frames_ == 1 ? " frame: " : " frames: ", read.status().message()));
    }
    if (!*read) {
      if (frames_ > 0 && unknown_links_ == frames_) return UnknownLink();
      return false;
    }
    ++frames_;
    if (!KnowsLinkType(frame_.link_type)) {
      ++unknown_links_;
      ++others_;
      unknown_link_ = LinkTypeName(frame_.link_type);
      continue;
    }
    const std::optional<size_t> network = FindNetworkHeader(
        frame_.link_type,
        {reinterpret_cast<const uint8_t*>(frame_.bytes.data()), frame_.bytes.size()});
    if (!network) {
      ++others_;
      continue;
    }
    packet->time = frame_.time;
    packet->bytes.assign(frame_.bytes, *network);
    packet->length = static_cast<uint32_t>(frame_.length - *network);
    FillInLength(packet);
    return true;
  }
}

}  // namespace sluice::cli
