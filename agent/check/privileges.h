#pragma once

#include <string>

#include "absl/status/status.h"

namespace sluice::agent {

// Settles with which rights the agent runs. To be called once, before any thread is started: what
// it changes belongs to the calling thread, and threads inherit it.
//
// Started as root with a `user`: becomes that user, its group as primary group and group 0 as
// the only other (/proc/net/netfilter/nfnetlink_queue is 0440 root:root), with CAP_NET_ADMIN
// permitted and effective, no other capability in any set, and no way to get more (no_new_privs).
// Started as root with user "": stays what it is.
// Started as another user: checks that CAP_NET_ADMIN is effective and sets no_new_privs.
//
// Errors: NOT_FOUND, there is no such user; PERMISSION_DENIED, the capability is missing or
// something above the process (a container's profile) refuses the change.
absl::Status SettlePrivileges(const std::string& user);

}  // namespace sluice::agent
