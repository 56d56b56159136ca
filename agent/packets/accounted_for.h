#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>

#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

// The right-hand side of the identity (stats.proto, QueueStats): `received`, if each packet was
// counted once. Finds the causes in the message, not in the code that counts.
inline uint64_t AccountedFor(const v1::QueueStats& stats) {
  uint64_t sum =
      stats.accepted() + stats.dropped() + stats.requeued() + stats.repeated() + stats.pending();
  const google::protobuf::Descriptor& type = *v1::QueueStats::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->message_type() != v1::Settled::descriptor()) continue;
    const auto* const settled = google::protobuf::DynamicCastToGenerated<v1::Settled>(
        &stats.GetReflection()->GetMessage(stats, type.field(i)));
    sum += settled->dropped() + settled->accepted();
  }
  return sum;
}

}  // namespace sluice::agent
