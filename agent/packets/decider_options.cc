#include "agent/packets/decider_options.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/headers/packet_headers.h"

namespace sluice::agent {

DeciderOptions::DeciderOptions(const Options& options, PacketQueue* queue)
    : options_(options),
      queue_(queue),
      copy_range_(options.copy_range),
      flags_{.gso = options.gso, .fail_open = options.fail_open},
      segmented_(!options.gso) {}

CopyRange DeciderOptions::OfKernel(CopyRange range) {
  if (!range.meta) range.bytes = std::max<uint32_t>(range.bytes, kHeaderBytes);
  return range;
}

absl::Status DeciderOptions::Set(const v1::PacketOptions& packet_options) {
  if (packet_options.copy_range() > kLargestCopyRange) {
    return absl::InvalidArgumentError(absl::StrCat("a copy range of ", packet_options.copy_range(),
                                                   " bytes; at most ", kLargestCopyRange));
  }
  CopyRange range = options_.copy_range;
  switch (packet_options.copy_mode()) {
    case v1::COPY_MODE_UNSPECIFIED:
    case v1::COPY_MODE_PACKET:
      // Only packets that were copied whole can be rewritten.
      if (packet_options.rewrite()) range = {.meta = false, .bytes = kLargestCopyRange};
      if (packet_options.copy_range() != 0)
        range = {.meta = false, .bytes = packet_options.copy_range()};
      break;
    case v1::COPY_MODE_META:
      range = {.meta = true, .bytes = 0};
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("copy mode ", v1::CopyMode_Name(packet_options.copy_mode()),
                       ": only COPY_MODE_META and COPY_MODE_PACKET let packets be decided"));
  }
  bool ipv4 = packet_options.families().empty();
  bool ipv6 = packet_options.families().empty();
  for (const int family : packet_options.families()) {
    ipv4 |= family == v1::FAMILY_IPV4 || family == v1::FAMILY_UNSPECIFIED;
    ipv6 |= family == v1::FAMILY_IPV6 || family == v1::FAMILY_UNSPECIFIED;
    // Nobody would be asked about the packets that it means.
    if (!v1::Family_IsValid(family)) {
      return absl::InvalidArgumentError(
          absl::StrCat("families: ", family, " is no address family; 1 is IPv4, 2 is IPv6"));
    }
  }
  if (absl::Status status = SetFlags(packet_options.rewrite()); !status.ok()) return status;
  if (const CopyRange wanted = OfKernel(range); wanted != OfKernel(copy_range_)) {
    if (absl::Status status = queue_->SetCopyRange(wanted); !status.ok()) {
      // Puts the flags back. If that fails as well, they stay changed; the caller ends the stream
      // either way.
      SetFlags(rewrite_).IgnoreError();
      return status;
    }
  }
  copy_range_ = range;
  rewrite_ = packet_options.rewrite();
  ipv4_ = ipv4;
  ipv6_ = ipv6;
  strict_ = packet_options.ordering() == v1::ORDERING_STRICT;
  return absl::OkStatus();
}

absl::Status DeciderOptions::EnterMode(v1::Mode mode) {
  mode_ = mode;
  return SetFlags(rewrite_);
}

absl::Status DeciderOptions::SetFlags(bool rewrite) {
  const QueueFlags flags{.gso = options_.gso && !rewrite,
                         .fail_open = options_.fail_open || mode_ == v1::MODE_SHADOW};
  if (flags == flags_) return absl::OkStatus();
  if (absl::Status status = queue_->SetFlags(flags); !status.ok()) return status;
  flags_ = flags;
  segmented_ |= !flags.gso;
  return absl::OkStatus();
}

}  // namespace sluice::agent
