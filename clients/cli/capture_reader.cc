#include "clients/cli/capture_reader.h"

#include <absl/strings/str_cat.h>
#include <pcap/pcap.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "clients/cli/link_layer.h"
#include "clients/cli/text.h"

namespace sluice::cli {

absl::StatusOr<std::unique_ptr<CaptureReader>> CaptureReader::Open(const std::string& path) {
  FILE* const file = fopen(path.c_str(), "rbe");
  if (file == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("cannot read the capture ", path, ": ", std::strerror(errno)));
  }
  char error[PCAP_ERRBUF_SIZE] = "";
  // Closes the file with the capture.
  pcap_t* const capture =
      pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error);
  if (capture == nullptr) {
    fclose(file);
    return absl::InvalidArgumentError(absl::StrCat(path, " is no capture: ", Printable(error)));
  }
  std::unique_ptr<CaptureReader> reader(new CaptureReader(path, capture));
  if (!KnowsLinkType(reader->link_type_)) {
    const char* const name = pcap_datalink_val_to_name(reader->link_type_);
    return absl::InvalidArgumentError(
        absl::StrCat(path, " was captured on a link of type ",
                     name == nullptr ? std::to_string(reader->link_type_) : std::string(name),
                     "; Ethernet, Linux cooked (any), loopback and raw IP can be read"));
  }
  return reader;
}

CaptureReader::CaptureReader(std::string path, pcap* file)
    : path_(std::move(path)), file_(file), link_type_(pcap_datalink(file)) {}

CaptureReader::~CaptureReader() { pcap_close(file_); }

absl::StatusOr<bool> CaptureReader::Next(CapturedPacket* packet) {
  for (;;) {
    pcap_pkthdr* header = nullptr;
    const u_char* bytes = nullptr;
    const int read = pcap_next_ex(file_, &header, &bytes);
    if (read == PCAP_ERROR_BREAK) return false;
    if (read != 1) {
      return absl::DataLossError(
          absl::StrCat(path_, ": damaged or cut off behind ", frames_,
                       frames_ == 1 ? " frame: " : " frames: ", Printable(pcap_geterr(file_))));
    }
    ++frames_;
    const std::optional<size_t> network = FindNetworkHeader(link_type_, {bytes, header->caplen});
    if (!network) {
      ++others_;
      continue;
    }
    packet->time.set_seconds(header->ts.tv_sec);
    packet->time.set_nanos(static_cast<int32_t>(header->ts.tv_usec));  // Nano, as asked for.
    packet->bytes.assign(reinterpret_cast<const char*>(bytes) + *network,
                         header->caplen - *network);
    const size_t length = header->len > header->caplen ? header->len : header->caplen;
    packet->length = static_cast<uint32_t>(length - *network);
    return true;
  }
}

}  // namespace sluice::cli
