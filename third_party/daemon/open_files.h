#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sluice {

// Raises the limit of open files (RLIMIT_NOFILE) to the hard limit; the usual soft limit of 1,024
// is meant for programs that use select(2). RESOURCE_EXHAUSTED, with advice, if that is less than
// `wanted`. `who` is the beginning of the message: "100 agents" may need so many.
inline absl::Status RaiseOpenFiles(uint64_t wanted, std::string_view who) {
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

// How many files this process may have open (RLIMIT_NOFILE, the soft limit).
inline uint64_t OpenFilesAllowed() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace sluice
