#include "third_party/daemon/open_files.h"

#include <sys/resource.h>

#include "absl/strings/str_cat.h"

namespace sluice {

absl::Status RaiseOpenFiles(uint64_t wanted, std::string_view who) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= wanted) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      std::string(who), " may need ", wanted, " open files, and ", limit.rlim_cur,
      " are allowed: raise the hard limit (LimitNOFILE= in a systemd unit, `ulimit -Hn ", wanted,
      "` as root in a shell)"));
}

uint64_t OpenFilesAllowed() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace sluice
