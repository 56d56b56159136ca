#pragma once

#include "agent/netfilter/mark_bits.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// Values that the agent does not know ask for no notice.
inline Notice NoticeOf(v1::Notify notify) {
  switch (notify) {
    case v1::NOTIFY_HOST_UNREACHABLE:
      return Notice::kHostUnreachable;
    case v1::NOTIFY_ADMIN_PROHIBITED:
      return Notice::kAdminProhibited;
    case v1::NOTIFY_PORT_UNREACHABLE:
      return Notice::kPortUnreachable;
    case v1::NOTIFY_TCP_RESET:
      return Notice::kTcpReset;
    default:
      return Notice::kNone;
  }
}

inline v1::Notify NotifyOf(Notice notice) {
  switch (notice) {
    case Notice::kHostUnreachable:
      return v1::NOTIFY_HOST_UNREACHABLE;
    case Notice::kAdminProhibited:
      return v1::NOTIFY_ADMIN_PROHIBITED;
    case Notice::kPortUnreachable:
      return v1::NOTIFY_PORT_UNREACHABLE;
    case Notice::kTcpReset:
      return v1::NOTIFY_TCP_RESET;
    case Notice::kNone:
      return v1::NOTIFY_UNSPECIFIED;
  }
  return v1::NOTIFY_UNSPECIFIED;
}

}  // namespace sluice::agent
