#pragma once

#include "agent/netfilter/mark_bits.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// One the agent does not know tells nothing.
inline Notification NotificationOf(v1::Notify notify) {
  switch (notify) {
    case v1::NOTIFY_HOST_UNREACHABLE:
      return Notification::kHostUnreachable;
    case v1::NOTIFY_ADMIN_PROHIBITED:
      return Notification::kAdminProhibited;
    case v1::NOTIFY_PORT_UNREACHABLE:
      return Notification::kPortUnreachable;
    case v1::NOTIFY_TCP_RESET:
      return Notification::kTcpReset;
    default:
      return Notification::kNone;
  }
}

inline v1::Notify NotifyOf(Notification notification) {
  switch (notification) {
    case Notification::kHostUnreachable:
      return v1::NOTIFY_HOST_UNREACHABLE;
    case Notification::kAdminProhibited:
      return v1::NOTIFY_ADMIN_PROHIBITED;
    case Notification::kPortUnreachable:
      return v1::NOTIFY_PORT_UNREACHABLE;
    case Notification::kTcpReset:
      return v1::NOTIFY_TCP_RESET;
    case Notification::kNone:
      return v1::NOTIFY_UNSPECIFIED;
  }
  return v1::NOTIFY_UNSPECIFIED;
}

}  // namespace sluice::agent
