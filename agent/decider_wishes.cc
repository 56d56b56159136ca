#include "agent/decider_wishes.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/headers/packet_headers.h"

namespace sluice::agent {

DeciderWishes::DeciderWishes(const Options& options, PacketQueue* queue)
    : options_(options),
      queue_(queue),
      copy_range_(options.copy_range),
      flags_{.gso = options.gso, .fail_open = options.fail_open},
      segmented_(!options.gso) {}

CopyRange DeciderWishes::OfKernel(CopyRange range) {
  if (!range.meta) range.bytes = std::max<uint32_t>(range.bytes, kHeaderBytes);
  return range;
}

absl::Status DeciderWishes::Set(const v1::Wishes& wishes) {
  if (wishes.copy_range() > kLargestCopyRange) {
    return absl::InvalidArgumentError(absl::StrCat("a copy range of ", wishes.copy_range(),
                                                   " bytes; at most ", kLargestCopyRange));
  }
  CopyRange range = options_.copy_range;
  switch (wishes.copy_mode()) {
    case v1::COPY_MODE_UNSPECIFIED:
    case v1::COPY_MODE_PACKET:
      // Only what was copied whole can be rewritten.
      if (wishes.rewrite()) range = {.meta = false, .bytes = kLargestCopyRange};
      if (wishes.copy_range() != 0) range = {.meta = false, .bytes = wishes.copy_range()};
      break;
    case v1::COPY_MODE_META:
      range = {.meta = true, .bytes = 0};
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("copy mode ", v1::CopyMode_Name(wishes.copy_mode()),
                       ": only COPY_MODE_META and COPY_MODE_PACKET let packets be decided"));
  }
  bool ipv4 = wishes.families().empty();
  bool ipv6 = wishes.families().empty();
  for (const int family : wishes.families()) {
    ipv4 |= family == v1::FAMILY_IPV4 || family == v1::FAMILY_UNSPECIFIED;
    ipv6 |= family == v1::FAMILY_IPV6 || family == v1::FAMILY_UNSPECIFIED;
    // Nobody would be asked about what it means.
    if (!v1::Family_IsValid(family)) {
      return absl::InvalidArgumentError(
          absl::StrCat("families: ", family, " is none; 1 is IPv4, 2 is IPv6"));
    }
  }
  if (const CopyRange wanted = OfKernel(range); wanted != OfKernel(copy_range_)) {
    if (absl::Status status = queue_->SetCopyRange(wanted); !status.ok()) return status;
  }
  copy_range_ = range;
  if (absl::Status status = SetFlags(wishes.rewrite()); !status.ok()) return status;
  rewrite_ = wishes.rewrite();
  ipv4_ = ipv4;
  ipv6_ = ipv6;
  strict_ = wishes.ordering() == v1::ORDERING_STRICT;
  return absl::OkStatus();
}

absl::Status DeciderWishes::SetMode(v1::Mode mode) {
  mode_ = mode;
  return SetFlags(rewrite_);
}

absl::Status DeciderWishes::SetFlags(bool rewrite) {
  const QueueFlags flags{.gso = options_.gso && !rewrite,
                         .fail_open = options_.fail_open || mode_ == v1::MODE_SHADOW};
  if (flags == flags_) return absl::OkStatus();
  if (absl::Status status = queue_->SetFlags(flags); !status.ok()) return status;
  flags_ = flags;
  segmented_ |= !flags.gso;
  return absl::OkStatus();
}

}  // namespace sluice::agent
