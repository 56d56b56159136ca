#include "agent/check/privileges.h"

#include <cap-ng.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

struct Ids {
  uid_t user;
  gid_t group;
};

absl::StatusOr<Ids> LookUp(const std::string& user) {
  std::array<char, 16384> buffer;
  passwd entry;
  passwd* found = nullptr;
  const int error = getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("user: looking up `", user, "`"));
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrCat(
        "user: this machine has no user `", user, "`; make it with `useradd --system ",
        "--shell /usr/sbin/nologin ", user, "`, name another, or write user: \"\" to stay root"));
  }
  if (found->pw_uid == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("user: `", user, "` is root; write user: \"\" to stay root"));
  }
  return Ids{found->pw_uid, found->pw_gid};
}

absl::Status Refused(const char* what) {
  return absl::PermissionDeniedError(
      absl::StrCat("cannot ", what, " although started as root: a container's or unit's profile ",
                   "forbids it; allow it there (CAP_SETUID, CAP_SETGID, CAP_SETPCAP, ",
                   "CAP_NET_ADMIN), or start as the user itself with CAP_NET_ADMIN"));
}

absl::Status ForbidNewPrivileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return absl::ErrnoToStatus(errno, "setting no_new_privs");
  }
  return absl::OkStatus();
}

absl::Status Become(const Ids& ids) {
  const gid_t root_group = 0;
  if (setgroups(1, &root_group) != 0) return Refused("set the supplementary groups");
  capng_clear(CAPNG_SELECT_ALL);
  if (capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                   CAP_NET_ADMIN) != 0) {
    return Refused("choose capabilities");
  }
  if (capng_change_id(static_cast<int>(ids.user), static_cast<int>(ids.group),
                      static_cast<capng_flags_t>(CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT)) !=
      0) {
    return Refused("become that user with CAP_NET_ADMIN");
  }
  return ForbidNewPrivileges();
}

}  // namespace

absl::Status SettlePrivileges(const std::string& user) {
  if (geteuid() == 0 && user.empty()) return absl::OkStatus();
  if (geteuid() == 0) {
    const auto ids = LookUp(user);
    return ids.ok() ? Become(*ids) : ids.status();
  }
  if (capng_get_caps_process() != 0 || !capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "sluice-agent runs as uid ", geteuid(),
        " without CAP_NET_ADMIN; start it as root, or by systemd with ",
        "AmbientCapabilities=CAP_NET_ADMIN, or once: setcap cap_net_admin+ep $(command -v ",
        "sluice-agent)"));
  }
  return ForbidNewPrivileges();
}

}  // namespace sluice::agent
